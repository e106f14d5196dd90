"""HRNetV2p: the feature pyramid that detectors are built on."""

import keras
import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import CHANNELS_LAST, Conventions, output_dtype

LEVELS = 5


def pyramid_head(
    x: tf.Tensor, conventions: Conventions, channels: int = 256
) -> dict[str, tf.Tensor]:
    """Reduce the concatenated representation and pool it to five levels.

    Args:
        x: the concatenated representation at stride 4, `(batch, h, w, 15 * width)`.
        conventions: what the network's layers have in common.
        channels: channels of every level.

    Returns:
        `{"P2": ..., "P6": ...}`; level `Pn` has stride `2**n` and `channels` channels.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 3.4 and figure 4 (c).
    """
    reduced = conventions.conv(
        x, channels, bias=True, initializer=_uniform(), name="neck.reduction_conv.0"
    )
    levels = {}
    for i in range(LEVELS):
        level = reduced
        if i:
            level = layers.AveragePooling2D(
                2**i, data_format=CHANNELS_LAST, name=f"neck.pool.{i}"
            )(reduced)
        level = conventions.conv(
            level,
            channels,
            3,
            bias=True,
            initializer=_uniform(),
            name=f"neck.fpn_conv.{i}",
        )
        name = f"P{i + 2}"
        levels[name] = layers.Activation(
            "linear", dtype=output_dtype(level), name=name
        )(level)
    return levels


def _uniform() -> keras.initializers.Initializer:
    """As pyramids begin: within the root of 3 / fan in."""
    return keras.initializers.VarianceScaling(1.0, "fan_in", "uniform")
