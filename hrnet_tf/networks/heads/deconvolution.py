"""Deconvolutions: a low resolution enlarged step by step, by learnt kernels."""

import tensorflow as tf

from hrnet_tf.networks.layers import Conventions

STEPS = 3
FEATURES = 256


def deconvolutions(
    x: tf.Tensor, conventions: Conventions, features: int = FEATURES
) -> tf.Tensor:
    """Three transposed convolutions, each to twice the size.

    Args:
        x: the body's lowest resolution, `(batch, h, w, channels)`.
        conventions: what the network's layers have in common.
        features: channels of each.

    Returns:
        `(batch, 8 * h, 8 * w, features)`.

    Source: Xiao et al., https://arxiv.org/abs/1804.06208, section 2.
    """
    for step in range(STEPS):
        first = 3 * step
        conv, bn, relu = (f"deconv_layers.{first + place}" for place in range(3))
        x = conventions.deconv_bn(x, features, names=(conv, bn, relu))
    return x
