"""The body of Lite-HRNet: HRNet's streams, made of depthwise convolutions.

Source: Yu et al., Lite-HRNet: A Lightweight High-Resolution Network,
https://arxiv.org/abs/2104.06403, section 3. A layer's name is its path in the official
checkpoints, so that weights are found by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.backbone import Maps, Stem, upward
from hrnet_tf.networks.layers import CHANNELS_LAST, Conventions, Upsample
from hrnet_tf.networks.lite_layers import (
    Channels,
    DepthwiseConvolution,
    Shuffle,
    global_mean,
)

WIDTH = 40  # channels of the highest resolution; branch i has WIDTH * 2**i
STEM = 32  # channels before the first stage
CROSS, SPATIAL = 8, 4  # how many times fewer channels weights are computed from


@dataclass(frozen=True)
class LiteBody:
    """The free numbers of a Lite-HRNet body.

    Attributes:
        modules: modules (each ends in an exchange) in the stages with 2, 3 and 4
            branches.
        blocks: conditional channel weightings in each module.
    """

    modules: tuple[int, ...]
    blocks: int = 2

    stride = 4  # image pixels per cell of the highest resolution
    largest_stride = 32  # and of the lowest

    def widths(self, branches: int) -> tuple[int, ...]:
        """Channels of the first `branches` branches, highest resolution first."""
        return tuple(WIDTH * 2**branch for branch in range(branches))


VARIANTS = {18: LiteBody((2, 4, 2)), 30: LiteBody((3, 8, 3))}


def lite_body(
    variant: int | str,
    modules: tuple[int, ...] | None = None,
    blocks: int | None = None,
    stem: Stem | None = None,
) -> LiteBody:
    """The body of a variant, with what the caller wants otherwise.

    Args:
        variant: 18 or 30, as the paper calls them.
        modules: modules in the stages with 2, 3 and 4 branches; by default the
            variant's.
        blocks: conditional channel weightings in each module; by default 2.
        stem: must be None: the stem is part of the design.

    Raises:
        ValueError: if there is no such variant, or a number is missing or not positive.

    Example:
        ```python
        lite_body(18).widths(4)                      # (40, 80, 160, 320)
        lite_body(18, modules=(1, 1, 1), blocks=1)   # a smaller one
        ```
    """
    found = VARIANTS.get(variant) if isinstance(variant, int) else None
    if found is None:
        raise ValueError(
            f"`width` of LiteHRNet must be one of {', '.join(map(str, VARIANTS))}, the "
            f"published variants, got {variant!r}."
        )
    if stem is not None:
        raise ValueError(
            f"LiteHRNet has a stem of its own: leave `stem` away, got {stem!r}."
        )
    found = replace(
        found,
        modules=found.modules if modules is None else tuple(modules),
        blocks=found.blocks if blocks is None else blocks,
    )
    if len(found.modules) != 3 or min(found.blocks, *found.modules) < 1:
        raise ValueError(
            "`modules` must name three positive numbers (stages with 2, 3 and 4 "
            f"branches) and `blocks` be positive, got {found}."
        )
    return found


def lite_hrnet(image: tf.Tensor, spec: LiteBody, conventions: Conventions) -> Maps:
    """Build the body on an image.

    Args:
        image: symbolic float images, `(batch, height, width, 3)`, RGB, normalised.
        spec: the body's numbers.
        conventions: what its layers have in common.

    Returns:
        A list of maps at strides 4, 8, 16 and 32, highest resolution first: `(batch,
        height / stride, width / stride, 40 * 2**i)`.
    """
    maps = [stem(image, conventions)]
    for stage, modules in enumerate(spec.modules):
        widths = spec.widths(stage + 2)
        maps = transition(maps, widths, conventions, name=f"transition{stage}")
        for module in range(modules):
            name = f"stage{stage}.{module}"
            for block in range(spec.blocks):
                maps = weighting_block(maps, conventions, name=f"{name}.layers.{block}")
            maps = exchange(maps, conventions, name=f"{name}.fuse_layers")
    return maps


def stem(image: tf.Tensor, conventions: Conventions) -> tf.Tensor:
    """Stride 4: a strided convolution, and a strided shuffle block."""
    name = "stem"
    x = conventions.conv_bn(image, STEM, 3, 2, names=_pair(f"{name}.conv1"))
    first, second = halves(x, name=name)
    first = depthwise(first, conventions, 2, names=_pair(f"{name}.branch1.0"))
    first = conventions.conv_bn(first, STEM // 2, 1, names=_pair(f"{name}.branch1.1"))
    second = conventions.conv_bn(second, STEM, 1, names=_pair(f"{name}.expand_conv"))
    second = depthwise(second, conventions, 2, names=_pair(f"{name}.depthwise_conv"))
    second = conventions.conv_bn(
        second, STEM // 2, 1, names=_pair(f"{name}.linear_conv")
    )
    return shuffled([first, second], name=name)


def transition(
    maps: Maps, widths: tuple[int, ...], conventions: Conventions, *, name: str
) -> Maps:
    """Give each branch its width, and add a branch at half the lowest resolution."""
    result = []
    for i, width in enumerate(widths):
        if i >= len(maps):  # the new branch comes from the lowest resolution
            path = f"{name}.{i}.0"
            result.append(separable(maps[-1], width, conventions, 2, name=path))
        elif maps[i].shape[-1] != width:
            path = f"{name}.{i}"
            result.append(separable(maps[i], width, conventions, name=path))
        else:
            result.append(maps[i])
    return result


def weighting_block(maps: Maps, conventions: Conventions, *, name: str) -> Maps:
    """Conditional channel weighting: halves of the channels are weighted and mixed.

    Weights come from all resolutions at once, and then from each branch's own mean
    (section 3.2).
    """
    kept, changed = zip(
        *(halves(x, name=f"{name}.{branch}") for branch, x in enumerate(maps)),
        strict=True,
    )
    weighted = cross_resolution_weighting(
        changed, conventions, name=f"{name}.cross_resolution_weighting"
    )
    result = []
    for branch, (first, second) in enumerate(zip(kept, weighted, strict=True)):
        names = _pair(f"{name}.depthwise_convs.{branch}")
        second = depthwise(second, conventions, names=names)
        path = f"{name}.spatial_weighting.{branch}"
        second = spatial_weighting(second, conventions, name=path)
        result.append(shuffled([first, second], name=f"{name}.{branch}"))
    return result


def cross_resolution_weighting(
    maps: Sequence[tf.Tensor], conventions: Conventions, *, name: str
) -> Maps:
    """Weigh channels at each place of the lowest resolution by what all branches see.

    Maps are averaged to the lowest resolution, where two 1x1 convolutions make weights,
    which are brought back by nearest upsampling.
    """
    lowest = len(maps) - 1
    small = [
        layers.AveragePooling2D(
            2 ** (lowest - i), data_format=CHANNELS_LAST, name=f"{name}.{i}.pool"
        )(x)
        if i < lowest
        else x
        for i, x in enumerate(maps)
    ]
    x = layers.Concatenate(name=f"{name}.concat")(small)
    total = x.shape[-1]
    x = conventions.conv_bn(x, total // CROSS, 1, names=_pair(f"{name}.conv1"))
    names = _pair(f"{name}.conv2")
    x = conventions.conv_bn(x, total, 1, relu=False, names=names)
    x = layers.Activation("sigmoid", name=f"{name}.conv2.sigmoid")(x)
    result, begin = [], 0
    for i, like in enumerate(maps):
        end = begin + like.shape[-1]
        weights = Channels(begin, end, name=f"{name}.{i}.part")(x)
        if i < lowest:
            factor = 2 ** (lowest - i)
            weights = Upsample(factor, "nearest", name=f"{name}.{i}.upsample")(
                [weights, like]
            )
        result.append(layers.Multiply(name=f"{name}.{i}.weigh")([like, weights]))
        begin = end
    return result


def spatial_weighting(
    x: tf.Tensor, conventions: Conventions, *, name: str
) -> tf.Tensor:
    """Weigh channels by their means over the map (squeeze and excitation)."""
    width = x.shape[-1]
    weights = global_mean(x, name=f"{name}.mean")
    weights = conventions.conv(
        weights, width // SPATIAL, bias=True, name=f"{name}.conv1.conv"
    )
    weights = conventions.relu(weights, name=f"{name}.conv1.relu")
    weights = conventions.conv(weights, width, bias=True, name=f"{name}.conv2.conv")
    weights = layers.Activation("sigmoid", name=f"{name}.conv2.sigmoid")(weights)
    return layers.Multiply(name=f"{name}.weigh")([x, weights])


def exchange(maps: Maps, conventions: Conventions, *, name: str) -> Maps:
    """Fuse resolutions, as the original program adds them up.

    It adds into the highest-resolution map itself, which counts twice in its own sum
    and is that sum when the other resolutions take it, twice too. Published weights are
    trained so.
    """
    # What reaches the lower resolutions has gone through its layers twice in a training
    # step of the original, whose moving averages therefore move twice.
    twice = replace(conventions, bn_momentum=conventions.bn_momentum**2)
    highest, result = maps[0], []
    for i, x in enumerate(maps):
        parts = [highest, highest] if i == 0 else []
        for j, other in enumerate(maps):
            path = f"{name}.{i}.{j}"
            if j > i:
                parts.append(upward(other, x, 2 ** (j - i), conventions, name=path))
            elif j == i and i > 0:
                parts.append(x)
            elif j < i:
                source, how = (highest, twice) if j == 0 else (other, conventions)
                part = downward(source, x.shape[-1], i - j, how, name=path)
                parts += [part, part] if j == 0 else [part]
        total = layers.Add(name=f"{name}.{i}.add")(parts)
        if i == 0:
            highest = total
        result.append(conventions.relu(total, name=f"{name}.{i}.relu"))
    return result


def downward(
    x: tf.Tensor, filters: int, steps: int, conventions: Conventions, *, name: str
) -> tf.Tensor:
    """High resolution to low: strided separable ones; the last changes the width."""
    for step in range(steps):
        last = step == steps - 1
        width = filters if last else x.shape[-1]
        path = f"{name}.{step}"
        x = separable(x, width, conventions, 2, relu=not last, name=path)
    return x


def separable(
    x: tf.Tensor,
    filters: int,
    conventions: Conventions,
    stride: int = 1,
    *,
    relu: bool = True,
    name: str,
) -> tf.Tensor:
    """A depthwise 3x3 convolution and a 1x1 one, each with batch norm."""
    x = depthwise(x, conventions, stride, names=(f"{name}.0", f"{name}.1"))
    names = (f"{name}.2", f"{name}.3")
    return conventions.conv_bn(x, filters, 1, relu=relu, names=names)


def depthwise(
    x: tf.Tensor,
    conventions: Conventions,
    stride: int = 1,
    *,
    names: tuple[str, str],
) -> tf.Tensor:
    """A depthwise 3x3 convolution with batch norm, without activation."""
    conv, bn = names
    if stride > 1:  # "same" would pad the bottom and the right only
        x = layers.ZeroPadding2D(1, data_format=CHANNELS_LAST, name=f"{conv}.pad")(x)
    x = DepthwiseConvolution(
        3,
        stride,
        padding="same" if stride == 1 else "valid",
        data_format=CHANNELS_LAST,
        use_bias=False,
        depthwise_initializer=conventions.new_initializer(),
        name=conv,
    )(x)
    return conventions.norm(x, name=bn)


def halves(x: tf.Tensor, *, name: str) -> tuple[tf.Tensor, tf.Tensor]:
    """The first and the second half of the channels."""
    width = x.shape[-1]
    middle = width // 2
    first = Channels(0, middle, name=f"{name}.first_half")(x)
    return first, Channels(middle, width, name=f"{name}.second_half")(x)


def shuffled(parts: Sequence[tf.Tensor], *, name: str) -> tf.Tensor:
    """Parts side by side, their channels in turns."""
    x = layers.Concatenate(name=f"{name}.concat")(parts)
    return Shuffle(len(parts), name=f"{name}.shuffle")(x)


def _pair(name: str) -> tuple[str, str]:
    return f"{name}.conv", f"{name}.bn"
