"""Panoptic-DeepLab's two decoders: what each pixel shows, and where its thing lies."""

from collections.abc import Mapping, Sequence

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.heads.aspp import FEATURES, aspp
from hrnet_tf.networks.layers import (
    CHANNELS_LAST,
    Conventions,
    Upsample,
    dense_rule,
)
from hrnet_tf.networks.lite_layers import DepthwiseConvolution

# Cells of the lowest resolution between the taps of the atrous convolutions.
RATES = (3, 6, 9)
KERNEL = 5  # of the convolutions that fuse, and of the heads
# Channels of each resolution when it is fused, the lowest first, as shares of all.
SEMANTIC_SHARES, INSTANCE_SHARES = (2, 4, 8), (4, 8, 16)


def panoptic_head(
    maps: Sequence[tf.Tensor],
    classes: int,
    conventions: Conventions,
    *,
    features: int | None = None,
) -> dict[str, tf.Tensor]:
    """Logits of classes, a heatmap of things' centres, and offsets to them.

    Args:
        maps: the body's four maps, highest resolution first.
        classes: number of classes, things and stuff.
        conventions: what the network's layers have in common; where its rule is nearest
            maps are resized bilinearly (half pixel).
        features: channels of both pyramids and of the semantic decoder; half as many
            has the other one. None: 256, as published.

    Returns:
        Float32 maps at the highest resolution: `semantic`, `(batch, h, w, classes)`;
        `center`, `(batch, h, w, 1)`; `offset`, `(batch, h, w, 2)`, down and right.

    Source: Cheng et al., https://arxiv.org/abs/1911.10194, section 3; the numbers are
    those of their code for HRNet-W48.

    Example:
        ```python
        maps = hrnet(image, body(48), conventions)
        panoptic_head(maps, 19, conventions)["center"]
        ```
    """
    features = features or FEATURES
    what = _decode(
        maps, conventions, features, features, SEMANTIC_SHARES, "semantic_decoder"
    )
    where = _decode(
        maps,
        conventions,
        features,
        max(1, features // 2),
        INSTANCE_SHARES,
        "instance_decoder",
    )
    answers: Mapping[str, tuple[tf.Tensor, str, int]] = {
        "semantic": (what, "semantic_head", classes),
        "center": (where, "instance_head", 1),
        "offset": (where, "instance_head", 2),
    }
    found = {}
    for key, (x, head, channels) in answers.items():
        name = f"{head}.classifier.{key}"
        y = _separable(x, int(x.shape[-1]), conventions, f"{name}.0")
        found[key] = conventions.output_conv(y, channels, name=f"{name}.1")
    return found


def _decode(
    maps: Sequence[tf.Tensor],
    conventions: Conventions,
    pooled: int,
    features: int,
    shares: Sequence[int],
    name: str,
) -> tf.Tensor:
    """One decoder: a pyramid on the lowest resolution, then one after the other."""
    rule = dense_rule(conventions.upsampling)
    x = aspp(maps[-1], conventions, rates=RATES, features=pooled, name=f"{name}.aspp")
    for step, (high, share) in enumerate(zip(maps[-2::-1], shares, strict=True)):
        project = f"{name}.project.{step}"
        names = (f"{project}.0", f"{project}.1")
        low = conventions.conv_bn(high, max(1, pooled // share), 1, names=names)
        x = Upsample(2, rule, name=f"{name}.upsample.{step}")([x, low])
        x = layers.Concatenate(name=f"{name}.concatenate.{step}")([x, low])
        x = _separable(x, features, conventions, f"{name}.fuse.{step}")
    return x


def _separable(
    x: tf.Tensor, filters: int, conventions: Conventions, name: str
) -> tf.Tensor:
    """A depthwise convolution and one of single cells, each with batch norm, ReLU."""
    x = DepthwiseConvolution(
        KERNEL,
        padding="same",
        data_format=CHANNELS_LAST,
        use_bias=False,
        depthwise_initializer=conventions.new_initializer(),
        name=f"{name}.0.0",
    )(x)
    x = conventions.norm(x, name=f"{name}.0.1")
    x = conventions.relu(x, name=f"{name}.0.1.relu")
    return conventions.conv_bn(x, filters, 1, names=(f"{name}.1.0", f"{name}.1.1"))
