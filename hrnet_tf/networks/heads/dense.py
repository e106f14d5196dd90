"""The HRNetV2 representation and the dense-labelling head on it."""

from collections.abc import Sequence

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import Conventions, Upsample, dense_rule


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
    rule = dense_rule(conventions.upsampling)
    high = maps[0]
    resized = [
        Upsample(2**i, rule, name=f"concatenate.{i}")([x, high])
        for i, x in enumerate(maps[1:], start=1)
    ]
    return layers.Concatenate(name="concatenate")([high, *resized])


def dense_head(
    x: tf.Tensor,
    channels: int,
    conventions: Conventions,
    *,
    features: int | None = None,
    name: str,
) -> tf.Tensor:
    """1x1 convolution, batch norm, ReLU and 1x1 convolution to what is wanted.

    Args:
        x: the concatenated representation, `(batch, h, w, width)`.
        channels: classes, or landmarks.
        conventions: what the network's layers have in common.
        features: channels in between; None: as many as there are.
        name: the head's name in official checkpoints.

    Returns:
        Logits or heatmaps at the representation's size, `(batch, h, w, channels)`,
        float32.
    """
    names = (f"{name}.0", f"{name}.1")
    y = conventions.conv_bn(x, features or x.shape[-1], 1, bias=True, names=names)
    return conventions.output_conv(y, channels, name=f"{name}.3")
