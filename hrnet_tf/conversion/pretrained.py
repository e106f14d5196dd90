"""Published checkpoints to Keras models: what they are is read off the file."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hrnet_tf.checkpoints.files import read_checkpoint
from hrnet_tf.checkpoints.names import folded_gammas, official, with_layers_renamed
from hrnet_tf.checkpoints.weights import load_official
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.facts import Facts, infer
from hrnet_tf.images.preprocess import ColorOrder
from hrnet_tf.tasks import networks
from hrnet_tf.tasks.base.checkpoint import Given, NetworkKind

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A model with a checkpoint's weights.

    Attributes:
        model: the Keras model.
        facts: what the checkpoint is.
        arguments: what the model was built with.
        color_order: the order of colours of the images that it takes.
        loaded: names of the tensors that were used.
        left_out: names of those that were not, as asked for.
    """

    model: keras.Model
    facts: Facts
    arguments: dict[str, Any]
    color_order: ColorOrder
    loaded: tuple[str, ...]
    left_out: tuple[str, ...]


def load_checkpoint(
    path: str | Path,
    *,
    align_corners: bool | None = None,
    outputs: int | None = None,
    leave_out: Sequence[str] = (),
    inplace_batch_norm: bool = False,
    network: str | None = None,
    color_order: ColorOrder | None = None,
    **arguments: Any,
) -> keras.Model:
    """Build the model that a checkpoint holds, with its weights.

    Args:
        path: `.pth`, `.safetensors` or `.npz`, of any code base of the family.
        align_corners: the corner rule of a labelling network, which the file does not
            tell: True for the official OCR networks and those of ADE20K and
            COCO-Stuff, False for the official ones of Cityscapes, LIP and
            PASCAL-Context without OCR. Needed for HRNetV2 only.
        outputs: another number of classes, keypoints or landmarks, for fine-tuning: the
            last layer keeps its random weights.
        leave_out: tensors whose names begin so are not loaded, such as `rpn_head`.
        inplace_batch_norm: the checkpoint was trained with in-place batch norm (the
            official `*_torch04.pth` files), which takes the absolute value of gamma.
        network: constructor of the network that the file holds, where its tensors may
            be of two: `"HigherHRNet"` for OpenMMLab's bottom-up HRNet, whose heatmaps
            and tags look like heatmaps of twice the keypoints. None: the tensors tell.
        color_order: the order of colours that the network has learnt, `"RGB"` or
            `"BGR"`, for what is said of the file: the weights are the same. None: RGB,
            but BGR of the official program's SimpleBaseline.
        arguments: more of the constructor's, such as `input_shape`; with
            `include_top=False` or `pyramid_outputs=True` the head is left out, and a
            file that holds a body alone will do.

    Returns:
        A compiled functional model, such as `hrnet_tf.HRNetV2` builds. A body alone is
        one of `hrnet_tf.HRNetV1`: its highest resolution, or with all of them in the
        file `{"P2": ..., "P5": ...}`.

    Raises:
        InputError: if the file cannot be read, is no HRNet, does not say something
            that must be known, or does not fit; the text says what to do.

    Example:
        ```python
        model = hrnet_tf.load_checkpoint("hrnetv2_w48.pth", align_corners=False)
        tuned = hrnet_tf.load_checkpoint("hrnetv2_w18_imagenet.pth", outputs=5)
        body = hrnet_tf.load_checkpoint("backbone.pth", include_top=False)
        ```
    """
    return open_checkpoint(
        path,
        align_corners=align_corners,
        outputs=outputs,
        leave_out=leave_out,
        inplace_batch_norm=inplace_batch_norm,
        network=network,
        color_order=color_order,
        **arguments,
    ).model


def open_checkpoint(
    path: str | Path,
    *,
    align_corners: bool | None = None,
    outputs: int | None = None,
    leave_out: Sequence[str] = (),
    inplace_batch_norm: bool = False,
    network: str | None = None,
    color_order: ColorOrder | None = None,
    **arguments: Any,
) -> Loaded:
    """`load_checkpoint` with a report of what was loaded; the same arguments."""
    path = Path(path)
    given = read_checkpoint(path)
    tensors = _translated(official(given, str(path)), path, leave_out)
    facts = infer(tensors, str(path), network, leave_out)
    made: dict[str, Any] = {
        facts.variant: facts.width,
        "modules": facts.modules,
        "blocks": facts.blocks,
    }
    kind, head = facts.network, facts.head
    headless = arguments.get("pyramid_outputs") or not arguments.get(
        "include_top", True
    )
    if kind is None or head is None:
        if not headless:
            raise InputError(
                f"{path} holds a body without a head, which could go on in any "
                f"network; build the one you want, such as hrnet_tf.HRNetV1("
                f"{facts.width!r}), and give it the body: hrnet_tf.load_body(model, "
                f'"{path}"). Or take the body itself: include_top=False.'
            )
        kind = next(kind for kind in networks().values() if kind.for_bodies)
        made["pyramid_outputs"] = _has_all_resolutions(tensors)
        if "upsampling" not in arguments:
            logger.warning(
                "%s does not tell how low resolutions are brought to high ones: by the "
                "nearest pixel is taken, as ImageNet's have it; upsampling= says "
                "otherwise",
                path,
            )
    else:
        if head.argument:
            made[head.argument] = facts.outputs if outputs is None else outputs
        made |= head.arguments
        made |= kind.more(Given(path, tuple(given), tensors, align_corners))
        tensors = with_layers_renamed(tensors, head.renamed)
    skipped = tuple(leave_out)
    if head is not None and outputs not in (None, facts.outputs):
        skipped += head.names
    kept = {n: t for n, t in tensors.items() if not _begins(n, skipped)}
    if inplace_batch_norm:
        kept = folded_gammas(kept)
    made |= arguments
    colors = color_order or _color_order(kind, given, path)
    model = kind.constructor(**made)
    if headless:
        ours = {layer.name for layer in model.layers}
        kept = {n: t for n, t in kept.items() if n.rpartition(".")[0] in ours}
    try:
        load_official(model, kept, new=skipped)
    except ValueError as error:
        raise InputError(f"{path} does not fit: {error}") from None
    left_out = tuple(sorted(tensors.keys() - kept.keys()))
    logger.info("%s: %s, %d tensors loaded", path, model.name, len(kept))
    if left_out:
        logger.info("left out, as asked for: %s", ", ".join(left_out))
    return Loaded(model, facts, made, colors, tuple(kept), left_out)


def _translated(
    tensors: Mapping[str, np.ndarray], path: Path, leave_out: Sequence[str]
) -> dict[str, np.ndarray]:
    """Tensors as the networks of this package have them, and what is left out."""
    kept = {n: t for n, t in tensors.items() if not _begins(n, leave_out)}
    left_out = {n: t for n, t in tensors.items() if n not in kept}
    for kind in networks().values():
        kept = kind.translate(kept, str(path))
    return {**left_out, **kept}


def _color_order(
    kind: NetworkKind, given: Mapping[str, np.ndarray], path: Path
) -> ColorOrder:
    """The order of colours that a file's network has learnt, as far as is known."""
    order = kind.color_order(tuple(given))
    if order != "RGB":
        logger.warning(
            "%s: networks of this kind and program have learnt images in the order "
            "%s, as hrnet_tf.preprocess_input(images, color_order=%r) gives them; "
            "color_order= says otherwise",
            *(path, order, order),
        )
    return order


def _has_all_resolutions(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether the last module of a body fuses into its lower resolutions too."""
    fused = re.compile(r"stage4\.(\d+)\.fuse_layers\.(\d+)\.")
    places = [tuple(map(int, m.groups())) for m in map(fused.match, tensors) if m]
    return max(places, default=(0, 0))[1] > 0


def _begins(name: str, starts: Sequence[str]) -> bool:
    return any(name == start or name.startswith(f"{start}.") for start in starts)
