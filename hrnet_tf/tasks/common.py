"""What the public constructors share: checking sizes and loading weights."""

from pathlib import Path
from zipfile import BadZipFile

import keras
import tensorflow as tf

from hrnet_tf.backbone import Body
from hrnet_tf.errors import InputError


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


def load_weights(model: keras.Model, weights: str | Path | None) -> None:
    """Load `weights` from a `.keras` or `.weights.h5` file, if any are given.

    Raises:
        InputError: if the file does not exist or holds other shapes.
    """
    if weights is None:
        return
    if not Path(weights).is_file():
        raise InputError(
            "`weights` must be None or the path of a .keras or .weights.h5 file; "
            f"there is no file {weights}."
        )
    try:
        model.load_weights(str(weights))
    except (ValueError, KeyError, OSError, BadZipFile) as error:
        raise InputError(
            f"The weights in {weights} do not fit {model.name}: {error}"
        ) from error
