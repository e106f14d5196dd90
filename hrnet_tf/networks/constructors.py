"""What the public constructors share: checking sizes and loading weights."""

from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from hrnet_tf.checkpoints.published import find_published
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.backbone import Body
from hrnet_tf.networks.transfer import (
    Built,
    load_checkpoint_file,
    load_keras_weights,
    load_published,
    require_arguments,
)

KERAS_FILES = (".keras", ".h5")


def image_input(
    input_shape: tuple[int | None, int | None, int], spec: Body, upsampling: str
) -> tf.Tensor:
    """The symbolic image, once its size is known to fit.

    Raises:
        ValueError: if the shape is no `(height, width, 3)`, or if upsampling is nearest
            and a side is no multiple of the largest stride; the text names the padded
            size.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] != 3:
        raise ValueError(
            "`input_shape` must be (height, width, 3), channels last, with None for "
            f"sides that vary; got {shape}."
        )
    stride = spec.largest_stride
    height, width = shape[:2]
    if upsampling == "nearest" and any(
        side is not None and side % stride for side in shape[:2]
    ):
        padded = "x".join(
            "None" if s is None else str(-(-s // stride) * stride) for s in shape[:2]
        )
        raise ValueError(
            f"With nearest upsampling image sides must be multiples of {stride}, got "
            f'{height}x{width}; pad to {padded} or build with upsampling="bilinear".'
        )
    return keras.Input(shape, name="image")


def pyramid(maps: Sequence[tf.Tensor], spec: Body) -> dict[str, tf.Tensor]:
    """The body's maps by level: `Pn` has stride `2**n`."""
    first = spec.stride.bit_length() - 1
    return {f"P{level}": x for level, x in enumerate(maps, start=first)}


def check_weights(weights: str | Path | None, built: Built) -> None:
    """Raise an InputError if `weights` cannot be loaded, before anything is built.

    Args:
        weights: see `load_weights`.
        built: what is going to be built.

    Raises:
        InputError: if there is no such file, no weights are published by this name, or
            they are for another network.
    """
    if weights is None or Path(weights).is_file():
        return
    path = Path(weights)
    if path.suffix or len(path.parts) > 1:
        raise InputError(
            "`weights` must be None, the path of a .keras, .weights.h5, .pth, "
            ".safetensors or .npz file, or the name of published ones; there is no "
            f"file {weights}."
        )
    row = find_published(built.network, built.width, str(weights))
    require_arguments(row, built)


def load_weights(model: keras.Model, weights: str | Path | None, built: Built) -> None:
    """Load `weights`, if any are given, into a network that has just been built.

    Args:
        model: the network.
        weights: None; the path of a `.keras` or `.weights.h5` file or of a checkpoint;
            or the name of published ones.
        built: what it was built as.

    Raises:
        InputError: if there is no such file, no weights are published by this name, or
            they do not fit.
    """
    check_weights(weights, built)
    if weights is None:
        return
    path = Path(weights)
    if path.is_file() and path.suffix in KERAS_FILES:
        load_keras_weights(model, path)
    elif path.is_file():
        load_checkpoint_file(model, path, built.include_top)
    else:
        row = find_published(built.network, built.width, str(weights))
        load_published(model, row, built)
