"""The HRNetV2 representation and the dense-labelling head on it."""

from collections.abc import Sequence

import tensorflow as tf
from keras import layers

from hrnet_tf.layers import Conventions, Upsample


def concatenate(maps: Sequence[tf.Tensor], conventions: Conventions) -> tf.Tensor:
    """Bring all maps to the highest resolution and stack their channels (HRNetV2).

    Args:
        maps: the body's four maps, highest resolution first.
        conventions: their upsampling rule also holds here; where it is nearest the maps
            are resized bilinearly (half pixel), as the detection networks do.

    Returns:
        One map at the highest resolution, `(batch, h, w, 15 * width)`.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 3.4.
    """
    rule = conventions.upsampling
    rule = "bilinear" if rule == "nearest" else rule
    high = maps[0]
    resized = [
        Upsample(2**i, rule, name=f"concatenate.{i}")([x, high])
        for i, x in enumerate(maps[1:], start=1)
    ]
    return layers.Concatenate(name="concatenate")([high, *resized])


def segmentation_head(
    x: tf.Tensor, classes: int, conventions: Conventions
) -> tf.Tensor:
    """1x1 convolution, batch norm, ReLU and 1x1 convolution to the classes.

    Args:
        x: the concatenated representation, `(batch, h, w, channels)`.
        classes: number of classes.
        conventions: what the network's layers have in common.

    Returns:
        Logits at the representation's size, `(batch, h, w, classes)`, float32.
    """
    y = conventions.conv(x, x.shape[-1], bias=True, name="last_layer.0")
    y = conventions.norm(y, name="last_layer.1")
    y = conventions.relu(y, name="last_layer.2")
    return conventions.output_conv(y, classes, name="last_layer.3")
