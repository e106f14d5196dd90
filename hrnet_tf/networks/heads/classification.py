"""Classification: all resolutions joined from high to low, pooled, one dense layer."""

from collections.abc import Sequence

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import (
    CHANNELS_LAST,
    Conventions,
    bottleneck,
    output_dtype,
)

# Planes of the bottleneck on each branch; it has four times as many channels.
PLANES = (32, 64, 128, 256)
FEATURES = 2048  # channels before pooling


def classification_features(
    maps: Sequence[tf.Tensor],
    conventions: Conventions,
    planes: Sequence[int] = PLANES,
    features: int = FEATURES,
) -> tf.Tensor:
    """Widen each resolution and add it to the next lower one.

    Args:
        maps: the body's four maps, highest resolution first.
        conventions: what the network's layers have in common.
        planes: of the bottleneck on each branch.
        features: channels of the result.

    Returns:
        One map at the lowest resolution, `(batch, h, w, features)`.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, appendix (ImageNet).
    """
    y = None
    for i, (x, width) in enumerate(zip(maps, planes, strict=True)):
        x = bottleneck(x, width, conventions, name=f"incre_modules.{i}.0")
        if y is not None:
            name = f"downsamp_modules.{i - 1}"
            names = (f"{name}.0", f"{name}.1")
            y = conventions.conv_bn(y, 4 * width, 3, 2, bias=True, names=names)
            x = layers.Add(name=f"{name}.add")([x, y])
        y = x
    names = ("final_layer.0", "final_layer.1")
    return conventions.conv_bn(y, features, 1, bias=True, names=names)


def classification_head(x: tf.Tensor, classes: int) -> tf.Tensor:
    """Average over the image, then one dense layer: logits `(batch, classes)`."""
    x = layers.GlobalAveragePooling2D(data_format=CHANNELS_LAST, name="pool")(x)
    return layers.Dense(classes, dtype=output_dtype(x), name="classifier")(x)
