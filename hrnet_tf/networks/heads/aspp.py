"""Atrous spatial pyramid pooling: every pixel looks at several distances at once."""

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import CHANNELS_LAST, Conventions, Upsample, output_dtype

FEATURES = 256
DROPOUT = 0.1


def aspp_head(
    x: tf.Tensor,
    classes: int,
    conventions: Conventions,
    *,
    rates: tuple[int, ...] = (12, 24, 36),
    features: int | None = None,
    name: str = "aspp",
) -> tf.Tensor:
    """Logits from 1x1 and atrous 3x3 convolutions and the mean of the image.

    Args:
        x: the concatenated representation, `(batch, h, w, width)`, of any size.
        classes: number of classes.
        conventions: what the network's layers have in common.
        rates: of the atrous convolutions: cells between the taps of their kernels.
        features: channels of each branch and of what they are projected to; None: 256,
            as published.
        name: what the layers' names begin with.

    Returns:
        Logits at the representation's size, `(batch, h, w, classes)`, float32.

    Source: Chen et al., https://arxiv.org/abs/1706.05587, section 3.3; the rates are
    those for a representation at an eighth of the image's size.

    Example:
        ```python
        x = concatenate(hrnet(image, body(18), conventions), conventions)
        logits = aspp_head(x, 19, conventions, rates=(6, 12, 18))
        ```
    """
    y = aspp(x, conventions, rates=rates, features=features, name=name)
    return conventions.output_conv(y, classes, name=f"{name}.logits")


def aspp(
    x: tf.Tensor,
    conventions: Conventions,
    *,
    rates: tuple[int, ...],
    features: int | None = None,
    name: str,
) -> tf.Tensor:
    """What the pyramid sees, projected to as many channels as each branch has.

    Args are those of `aspp_head`.

    Returns:
        `(batch, h, w, features)`.
    """
    features = features or FEATURES
    conv_bn = conventions.conv_bn
    branch = f"{name}.convs.0"
    branches = [conv_bn(x, features, 1, names=(f"{branch}.0", f"{branch}.1"))]
    for i, rate in enumerate(rates, start=1):
        branch = f"{name}.convs.{i}"
        names = (f"{branch}.0", f"{branch}.1")
        branches.append(conv_bn(x, features, 3, dilation=rate, names=names))

    branch = f"{name}.convs.{len(rates) + 1}"
    # Half precision can hold neither the sum nor the number of a large map's cells.
    mean = layers.GlobalAveragePooling2D(
        data_format=CHANNELS_LAST,
        keepdims=True,
        dtype=output_dtype(x),
        name=f"{branch}.0",
    )(x)
    mean = conv_bn(mean, features, 1, names=(f"{branch}.1", f"{branch}.2"))
    # Interpolating a single cell repeats it.
    branches.append(Upsample(1, "bilinear", name=f"{branch}.upsample")([mean, x]))

    y = layers.Concatenate(name=f"{name}.concatenate")(branches)
    y = conv_bn(y, features, 1, names=(f"{name}.project.0", f"{name}.project.1"))
    return layers.Dropout(DROPOUT, name=f"{name}.project.3")(y)
