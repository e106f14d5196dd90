"""The body of ResNet, for the networks that HRNet is compared with.

Sources: He et al., Deep Residual Learning for Image Recognition,
https://arxiv.org/abs/1512.03385, with the stride in the 3x3 convolution as PyTorch's
programs have it; Yu et al., Dilated Residual Networks,
https://arxiv.org/abs/1705.09914. A layer's name is its path in the official
checkpoints, so that weights are found by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.backbone import Maps, Stem
from hrnet_tf.networks.layers import CHANNELS_LAST, Conventions, bottleneck

# Bottlenecks in the four layers, by the number of convolutions.
DEPTHS: dict[int, tuple[int, ...]] = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
WIDTH = 64


@dataclass(frozen=True)
class ResNetBody:
    """The numbers of a ResNet body.

    Attributes:
        modules: bottlenecks in layer1, layer2, layer3 and layer4.
        width: channels that layer1's 3x3 convolutions have; they double from layer to
            layer, and each layer gives four times as many.
        deep_stem: three 3x3 convolutions, and twice the channels, in place of one 7x7.
        dilated: layer3 and layer4 stay at an eighth of the image's size, with atrous
            convolutions of rates 2 and 4.
        grid: multiples of layer4's rate, for its bottlenecks in turn.
    """

    modules: tuple[int, ...] = ()
    width: int = WIDTH
    deep_stem: bool = False
    dilated: bool = False
    grid: tuple[int, ...] = (1,)

    stride = 4  # image pixels per cell of layer1

    @property
    def largest_stride(self) -> int:
        """Image pixels per cell of layer4."""
        return 8 if self.dilated else 32


def resnet_body(
    depth: int | str,
    modules: tuple[int, ...] | None = None,
    blocks: int | None = None,
    stem: Stem | None = None,
    *,
    network: str = "ResNet",
    design: ResNetBody | None = None,
) -> ResNetBody:
    """The body of a depth, with what the caller wants otherwise.

    Args:
        depth: 50, 101 or 152.
        modules: bottlenecks in the four layers; by default the depth's.
        blocks: must be None: `modules` says it all.
        stem: must be None: the stem is part of the design.
        network: the constructor that it is for, for errors.
        design: all else; None: as published for classes of images.

    Raises:
        ValueError: if there is no such depth, or a number is missing or not positive.

    Example:
        ```python
        resnet_body(50).modules    # (3, 4, 6, 3)
        resnet_body(50, (1, 1, 1, 1), design=ResNetBody(width=4))  # a tiny one
        ```
    """
    found = DEPTHS.get(depth) if isinstance(depth, int) else None
    if found is None:
        raise ValueError(
            f"`depth` of {network} must be one of {', '.join(map(str, DEPTHS))}, "
            f"ResNet's, got {depth!r}."
        )
    for name, given in (("blocks", blocks), ("stem", stem)):
        if given is not None:
            raise ValueError(
                f"{network} stands on ResNet, which has no `{name}` to choose: leave "
                f"it away, got {given!r}."
            )
    found = found if modules is None else tuple(modules)
    body = replace(design or ResNetBody(), modules=found)
    if len(found) != 4 or min(body.width, *found) < 1:
        raise ValueError(
            f"`modules` of {network} must name four positive numbers (bottlenecks in "
            f"layer1 to layer4) and `width` be positive, got {found} and {body.width}."
        )
    return body


def describe_resnet(network: str, **design: Any) -> Callable[..., ResNetBody]:
    """`resnet_body` for one constructor, by the attributes that it always has."""
    return partial(resnet_body, network=network, design=ResNetBody(**design))


def resnet(image: tf.Tensor, spec: ResNetBody, conventions: Conventions) -> Maps:
    """Build the body on an image.

    Args:
        image: symbolic float images, `(batch, height, width, 3)`, normalised.
        spec: the body's numbers.
        conventions: what its layers have in common.

    Returns:
        The maps that the four layers give, at strides 4, 8, 16 and 32 (dilated: 4, 8, 8
        and 8), sizes rounded up: `(batch, height / stride, width / stride, 4 * width *
        2**i)`.
    """
    x = stem(image, spec, conventions)
    maps, rate = [], 1
    for number, count in enumerate(spec.modules):
        dilates = spec.dilated and number >= 2
        stride = 2 if number and not dilates else 1
        rate = 2 * rate if dilates else rate
        grid = spec.grid if number == 3 else (1,)
        for block in range(count):
            x = bottleneck(
                x,
                spec.width * 2**number,
                conventions,
                stride if block == 0 else 1,
                dilation=rate * grid[block % len(grid)],
                name=f"layer{number + 1}.{block}",
            )
        maps.append(x)
    return maps


def stem(image: tf.Tensor, spec: ResNetBody, conventions: Conventions) -> tf.Tensor:
    """Stride 4: convolutions of which the first is strided, and the largest of 3x3."""
    width = spec.width
    if spec.deep_stem:
        x = image
        for number, filters in enumerate((width, width, 2 * width), start=1):
            names = (f"conv{number}", f"bn{number}")
            stride = 2 if number == 1 else 1
            x = conventions.conv_bn(x, filters, 3, stride, names=names)
    else:
        x = conventions.conv_bn(image, width, 7, 2, names=("conv1", "bn1"))
    # Nothing is below the zeros around it: a ReLU comes before. "same" would pad the
    # bottom and the right only.
    x = layers.ZeroPadding2D(1, data_format=CHANNELS_LAST, name="maxpool.pad")(x)
    return layers.MaxPooling2D(3, 2, data_format=CHANNELS_LAST, name="maxpool")(x)
