"""Pyramid pooling: every pixel looks at means of parts of the image."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import Conventions, Upsample, Upsampling

FEATURES = 512
BINS = (1, 2, 3, 6)
DROPOUT = 0.1


@keras.saving.register_keras_serializable("hrnet_tf")
class AdaptiveMean(layers.Layer):
    """Means of `bins` x `bins` parts of a map of any size.

    Part `i` of `n` along a side of `s` cells is from `floor(i * s / n)` to `ceil((i +
    1) * s / n)`, as PyTorch's adaptive pooling has it: parts overlap where `n` does not
    divide `s`.

    Args:
        bins: parts along each side.

    Call arguments:
        inputs: `(batch, height, width, channels)`.

    Returns:
        `(batch, bins, bins, channels)`.

    Example:
        ```python
        AdaptiveMean(2)(tf.ones((1, 5, 7, 4))).shape  # (1, 2, 2, 4)
        ```
    """

    def __init__(self, bins: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, inputs):
        """Means along one side, and then along the other; see the class."""
        # Half precision can hold neither the sums nor the numbers of large maps' cells.
        x = tf.cast(inputs, tf.float32)
        shape = tf.shape(x)
        height, width = (x.shape[i] or shape[i] for i in (1, 2))
        channels = x.shape[3]
        rows = tf.reshape(x, (-1, height, width * channels))
        rows = tf.matmul(shares(height, self.bins), rows)
        cells = tf.reshape(rows, (-1, width, channels))
        means = tf.matmul(shares(width, self.bins), cells)
        means = tf.reshape(means, (-1, self.bins, self.bins, channels))
        return tf.cast(means, inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Bins in place of height and width."""
        return (input_shape[0], self.bins, self.bins, input_shape[3])

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "bins": self.bins}


def shares(side: Any, bins: int) -> tf.Tensor:
    """What each cell counts in the mean of each part.

    Args:
        side: cells along a side, a number or in a graph a tensor.
        bins: parts of it.

    Returns:
        float32 `(1, bins, side)`; rows add up to 1.
    """
    first, last = part_of(tf.range(bins)[:, None], side, bins)
    cell = tf.range(side)[None]
    inside = tf.cast((cell >= first) & (cell < last), tf.float32)
    return (inside / tf.reduce_sum(inside, axis=1, keepdims=True))[None]


def part_of(part: Any, side: Any, bins: int) -> tuple[Any, Any]:
    """The first cell of a part, and the one behind the last; see `AdaptiveMean`."""
    # ONNX divides negative numbers otherwise.
    return part * side // bins, ((part + 1) * side + bins - 1) // bins


def means_by_slices(x: tf.Tensor, bins: int) -> tf.Tensor:
    """What `AdaptiveMean` gives, without products, which formats of integers distort.

    Its gradient would be a map of zeros for each part.
    """
    shape = tf.shape(x)
    for axis in (1, 2):
        side = x.shape[axis] or shape[axis]
        parts = []
        for number in range(bins):
            first, last = part_of(number, side, bins)
            part = x[:, first:last] if axis == 1 else x[:, :, first:last]
            parts.append(tf.reduce_mean(part, axis, keepdims=True))
        x = tf.concat(parts, axis)
    return x


def pyramid_pooling_head(
    x: tf.Tensor,
    classes: int,
    conventions: Conventions,
    rule: Upsampling,
    features: int | None = None,
) -> tf.Tensor:
    """Logits from the map and from means of its parts.

    Args:
        x: the body's last map, `(batch, h, w, channels)`.
        classes: number of classes.
        conventions: what the network's layers have in common.
        rule: how means are brought to the size of the map, a bilinear one.
        features: channels of each level of means and of the last layer but one; None:
            512, as published.

    Returns:
        Logits at the size of the map, `(batch, h, w, classes)`, float32.

    Source: Zhao et al., https://arxiv.org/abs/1612.01105, section 3.2.
    """
    features = features or FEATURES
    parts = [x]
    for level, bins in enumerate(BINS):
        name = f"ppm.features.{level}"
        y = AdaptiveMean(bins, name=f"{name}.0")(x)
        names = (f"{name}.1", f"{name}.2")
        y = conventions.conv_bn(y, features, 1, names=names)
        parts.append(Upsample(1, rule, name=f"{name}.upsample")([y, x]))
    y = layers.Concatenate(name="ppm.concatenate")(parts)
    y = conventions.conv_bn(y, features, 3, names=("cls.0", "cls.1"))
    y = layers.Dropout(DROPOUT, name="cls.3")(y)
    return conventions.output_conv(y, classes, name="cls.4")
