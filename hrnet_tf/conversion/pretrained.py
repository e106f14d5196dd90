"""Published checkpoints to Keras models: what they are is read off the file."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from hrnet_tf.checkpoints.files import read_checkpoint
from hrnet_tf.checkpoints.names import folded_gammas, official
from hrnet_tf.checkpoints.weights import load_official
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.facts import Facts, infer
from hrnet_tf.tasks.base.checkpoint import Given

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A model with a checkpoint's weights.

    Attributes:
        model: the Keras model.
        facts: what the checkpoint is.
        arguments: what the model was built with.
        loaded: names of the tensors that were used.
        left_out: names of those that were not, as asked for.
    """

    model: keras.Model
    facts: Facts
    arguments: dict[str, Any]
    loaded: tuple[str, ...]
    left_out: tuple[str, ...]


def load_checkpoint(
    path: str | Path,
    *,
    align_corners: bool | None = None,
    outputs: int | None = None,
    leave_out: Sequence[str] = (),
    inplace_batch_norm: bool = False,
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
        arguments: more of the constructor's, such as `input_shape`.

    Returns:
        A compiled functional model, such as `hrnet_tf.HRNetV2` builds.

    Raises:
        InputError: if the file cannot be read, is no HRNet, does not say something
            that must be known, or does not fit; the text says what to do.

    Example:
        ```python
        model = hrnet_tf.load_checkpoint("hrnetv2_w48.pth", align_corners=False)
        tuned = hrnet_tf.load_checkpoint("hrnetv2_w18_imagenet.pth", outputs=5)
        ```
    """
    return open_checkpoint(
        path,
        align_corners=align_corners,
        outputs=outputs,
        leave_out=leave_out,
        inplace_batch_norm=inplace_batch_norm,
        **arguments,
    ).model


def open_checkpoint(
    path: str | Path,
    *,
    align_corners: bool | None = None,
    outputs: int | None = None,
    leave_out: Sequence[str] = (),
    inplace_batch_norm: bool = False,
    **arguments: Any,
) -> Loaded:
    """`load_checkpoint` with a report of what was loaded; the same arguments."""
    path = Path(path)
    given = read_checkpoint(path)
    tensors = official(given, str(path))
    facts = infer(tensors, str(path))
    network, head = facts.network, facts.head
    if network is None or head is None:
        raise InputError(
            f"{path} holds a body without a head, which could go on in any network; "
            f"build the one you want, such as hrnet_tf.HRNetV1({facts.width!r}), and "
            f'give it the body: hrnet_tf.load_body(model, "{path}").'
        )
    made: dict[str, Any] = {
        "width": facts.width,
        "modules": facts.modules,
        "blocks": facts.blocks,
    }
    if head.argument:
        made[head.argument] = facts.outputs if outputs is None else outputs
    made |= network.more(Given(path, tuple(given), tensors, align_corners))
    skipped = tuple(leave_out)
    if outputs not in (None, facts.outputs):
        skipped += head.names
    kept = {n: t for n, t in tensors.items() if not _begins(n, skipped)}
    if inplace_batch_norm:
        kept = folded_gammas(kept)
    made |= arguments
    model = network.constructor(**made)
    try:
        load_official(model, kept, new=skipped)
    except ValueError as error:
        raise InputError(f"{path} does not fit: {error}") from None
    left_out = tuple(sorted(tensors.keys() - kept.keys()))
    logger.info("%s: %s, %d tensors loaded", path, model.name, len(kept))
    if left_out:
        logger.info("left out, as asked for: %s", ", ".join(left_out))
    return Loaded(model, facts, made, tuple(kept), left_out)


def _begins(name: str, starts: Sequence[str]) -> bool:
    return any(name == start or name.startswith(f"{start}.") for start in starts)
