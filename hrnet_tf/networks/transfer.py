"""Tensors of checkpoints and published weights into networks, whole or the body."""

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.download import cache_folder, fetch
from hrnet_tf.checkpoints.files import read_checkpoint
from hrnet_tf.checkpoints.keras_files import require_whole
from hrnet_tf.checkpoints.names import folded_gammas, official, with_layers_renamed
from hrnet_tf.checkpoints.published import (
    CLASSIFIER,
    RESNET,
    Published,
    find_published,
)
from hrnet_tf.checkpoints.weights import load_official
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.common.version import __version__

logger = logging.getLogger(__name__)

# Names of the body's layers, Lite-HRNet's and ResNet's too; all others are a head's.
BODY = re.compile(r"(stem|conv[1-3]|bn[1-3]|layer[1-4]|transition[0-3]|stage[0-4])\.")
LAST_STAGE = re.compile(r"stage4\.(\d+)\.")

REASON = 300  # characters of what Keras says

Tensors = Mapping[str, np.ndarray]
Translate = Callable[[Tensors, str], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Built:
    """What a constructor has built, as far as weights must fit to it.

    Attributes:
        network: the constructor's name.
        width: as it was given.
        include_top: whether the network has its head.
        arguments: by name, what decides whether a head's weights fit.
        renamed: names of layers in checkpoints to those of the model, where they
            differ.
        translate: see `hrnet_tf.tasks.base.checkpoint.NetworkKind`.
    """

    network: str
    width: int | str
    include_top: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    translate: Translate | None = None


def load_checkpoint_file(model: keras.Model, path: str | Path, built: Built) -> None:
    """Load a checkpoint of the same network; without its head, what there is a place.

    Raises:
        InputError: if the file cannot be read or does not fit.
    """
    tensors: Tensors = official(read_checkpoint(path), str(path))
    if built.translate is not None:
        tensors = built.translate(tensors, str(path))
    tensors = with_layers_renamed(tensors, built.renamed)
    load_whole(model, tensors, path, built.include_top)


def load_whole(
    model: keras.Model, tensors: Tensors, path: str | Path, include_top: bool = True
) -> None:
    """Set every variable of a model.

    Args:
        model: a network of this package.
        tensors: under their official names.
        path: names the checkpoint in errors.
        include_top: whether every tensor must have a place.

    Raises:
        InputError: if they do not fit.
    """
    if not include_top:
        ours = {layer.name for layer in model.layers}
        tensors = {n: t for n, t in tensors.items() if n.rpartition(".")[0] in ours}
    try:
        load_official(model, tensors)
    except ValueError as error:
        raise InputError(
            f"{path} does not fit: {error} For the body alone: "
            f'hrnet_tf.load_body(model, "{path}").'
        ) from None


def load_body_tensors(
    model: keras.Model, tensors: Tensors, path: str | Path
) -> tuple[str, ...]:
    """Set the variables of a model's body; its head keeps the weights it has.

    Args:
        model: a network of this package.
        tensors: of a whole network or a body, under their official names.
        path: names the checkpoint in errors.

    Returns:
        The names of the tensors that were left out: the other network's head.

    Raises:
        InputError: if the body does not fit.
    """
    ours = {layer.name for layer in model.layers}
    body = {
        name: tensor
        for name, tensor in tensors.items()
        if BODY.match(name) and name.rpartition(".")[0] in ours
    }
    heads = {name for name in ours if not BODY.match(f"{name}.")}
    given = {name.rpartition(".")[0] for name in body}
    try:
        load_official(model, body, new=tuple(heads | _lower_ends(ours, given)))
    except ValueError as error:
        raise InputError(f"{path} does not fit: {error}") from None
    left_out = tuple(sorted(tensors.keys() - body.keys()))
    logger.info("%s: body of %s loaded; left out: %d", path, model.name, len(left_out))
    return left_out


def load_body(model: keras.Model, path: str | Path) -> tuple[str, ...]:
    """Give a network the body of another one; its head keeps the weights it has.

    Args:
        model: a network of this package.
        path: a checkpoint, or a `.keras` file of another network of this package, with
            a body of the same width, modules and blocks. The body of a network that
            ends in one resolution, one for pose, lacks the layers that fuse into the
            lower ones at the end: these keep the weights they have.

    Returns:
        The names of what was left out: the other network's head.

    Raises:
        InputError: if the file cannot be read or its body does not fit.

    Example:
        ```python
        pose = hrnet_tf.HRNetV1(18, keypoints=17)
        hrnet_tf.load_body(pose, "hrnetv2_w18_imagenet.pth")
        ```
    """
    path = Path(path)
    if path.suffix != ".keras":
        tensors = official(read_checkpoint(path), str(path))
        return load_body_tensors(model, tensors, path)
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    with _explained(f"{path} is no model that Keras can load"):
        require_whole(path)
        donor = keras.models.load_model(path, compile=False)
    layers = {layer.name: layer for layer in donor.layers if layer.weights}
    body = [x for x in model.layers if x.weights and BODY.match(f"{x.name}.")]
    ends = _lower_ends({layer.name for layer in body}, layers.keys())
    body = [layer for layer in body if layer.name not in ends]
    try:
        for layer in body:
            layer.set_weights(layers[layer.name].get_weights())
    except KeyError as error:
        raise InputError(
            f"The body of {path} does not fit {model.name}: it has no layer {error}."
        ) from None
    except ValueError as error:
        raise InputError(
            f"The body of {path} does not fit {model.name}: {error}"
        ) from None
    return tuple(sorted(layers.keys() - {layer.name for layer in body}))


def load_body_of(model: keras.Model, source: str, width: int | str) -> None:
    """Give a network the body of a file or of a published classifier.

    Args:
        model: a network of this package.
        source: as `load_body` takes it, or the name of published weights.
        width: as the network was built with, or its depth; published weights are found
            by it.

    Raises:
        InputError: if there is no such file or name, or the body does not fit.
    """
    if Path(source).is_file():
        load_body(model, source)
    elif Path(source).suffix or len(Path(source).parts) > 1:
        raise InputError(f"`model.body`: there is no file {source}.")
    elif (donor := _donor(model)) is None:
        raise InputError(
            f"`model.body`: the published body {source!r} is HRNet's, and {model.name} "
            "has another: give the file of such a network, or leave it away."
        )
    else:
        row = find_published(donor, width, source)
        load_published(model, row, Built(model.name, width, include_top=True))


def _donor(model: keras.Model) -> str | None:
    """Whose published bodies go on in a network: by the names of its layers."""
    names = {layer.name for layer in model.layers}
    if "layer4.0.conv1" in names:
        return None if "conv2" in names else RESNET  # with the stem of one convolution
    return CLASSIFIER if any(x.startswith("transition3.") for x in names) else None


def load_published(model: keras.Model, row: Published, built: Built) -> None:
    """Load published weights: the whole network, or its body into another one.

    They are converted once: from then on they come from a `.weights.h5` file in the
    cache, whose name holds the source's hash, the layers that it is for and the
    versions that wrote it.

    Raises:
        InputError: if they cannot be had or do not fit.
    """
    whole = row.model == built.network
    require_arguments(row, built)
    if whole and row.color_order != "RGB":
        logger.warning(
            "%s has learnt images in the order %s, as hrnet_tf.preprocess_input(images,"
            " color_order=%r) gives them",
            *(row.file, row.color_order, row.color_order),
        )
    part = model if whole else body_of(model)
    digest = row.sha256 or sha256_of(_fetch(row))
    converted = cache_folder() / (
        f"{Path(row.file).stem}.{digest[:8]}.{_layout(part)}."
        f"{__version__}-keras-{keras.__version__}.weights.h5"
    )
    if converted.is_file():
        load_keras_weights(part, converted)
        return
    path = _fetch(row)
    tensors = official(read_checkpoint(path), str(path))
    if row.inplace_batch_norm:
        tensors = folded_gammas(tensors)
    if whole:
        load_whole(model, tensors, path, built.include_top)
    else:
        load_body_tensors(model, tensors, path)
    unfinished = converted.with_name(f"{os.getpid()}.{converted.name}")
    try:
        part.save_weights(str(unfinished))
        os.replace(unfinished, converted)
    finally:
        unfinished.unlink(missing_ok=True)


def load_keras_weights(model: keras.Model, path: str | Path) -> None:
    """Load a `.keras` or `.weights.h5` file.

    Raises:
        InputError: if the file is broken or holds other shapes.
    """
    with _explained(f"The weights in {path} do not fit {model.name}"):
        require_whole(path)
        model.load_weights(str(path))


@contextlib.contextmanager
def _explained(problem: str) -> Iterator[None]:
    """In here what Keras raises of a file is an InputError: the problem, and why."""
    try:
        yield
    except PermissionError:
        raise
    except limits.BROKEN as error:
        reason = limits.brief(str(error), REASON) or type(error).__name__
        raise InputError(f"{problem}: {reason.rstrip('.')}.") from error


def _lower_ends(ours: Set[str], given: Set[str]) -> set[str]:
    """Our layers of the last fusion that a network of one resolution has not.

    Such a network, one for pose, only fuses into its highest resolution at the end; all
    other layers of its body go on in a network that ends in all resolutions.
    """
    modules = [LAST_STAGE.match(name) for name in ours]
    last = max((int(match[1]) for match in modules if match), default=0)
    lower = re.compile(rf"stage4\.{last}\.fuse_layers\.[123]\.")
    ends = {name for name in ours if lower.match(name)}
    if not ends or ends & given:
        return set()
    logger.info("the body ends in one resolution: %d layers start anew", len(ends))
    return ends


def body_of(model: keras.Model) -> keras.Model:
    """The body of a network as a model of its own, with the same layers."""
    ends = [
        layer.output
        for layer in model.layers
        if layer.weights and BODY.match(f"{layer.name}.")
    ]
    return keras.Model(model.inputs, ends, name=model.name)


def _fetch(row: Published) -> Path:
    return fetch(row.url, row.file, sha256=row.sha256, page=row.page)


def require_arguments(row: Published, built: Built) -> None:
    """Raise an InputError if published weights are for a head of other arguments."""
    if row.model != built.network or not built.include_top:
        return
    wrong = [
        f"{name}={needed!r} (got {built.arguments[name]!r})"
        for name, needed in row.needs.items()
        if built.arguments[name] != needed
    ]
    if wrong:
        raise InputError(
            f"The published weights {row.name!r} are for {row.model} with "
            f"{', '.join(wrong)}: build it so, or with weights=None and give it their "
            "body with hrnet_tf.load_body."
        )


def _layout(model: keras.Model) -> str:
    """A hash of what the order of variables in a weights file depends on."""
    layers = [
        (layer.name, type(layer).__name__, [tuple(w.shape) for w in layer.weights])
        for layer in model.layers
    ]
    return hashlib.sha256(repr(layers).encode()).hexdigest()[:8]
