"""The HRNet body: one description for every variant of the family.

Source: Wang et al., Deep High-Resolution Representation Learning for Visual
Recognition, https://arxiv.org/abs/1908.07919, section 3. A layer's name is its path in
the official checkpoints, so that weights are found by name.
"""

from dataclasses import dataclass, replace

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import Conventions, Upsample, basic_block, bottleneck

# Filters and stride of the two convolutions before the first stage.
Stem = tuple[tuple[int, int], ...]
STEM: Stem = ((64, 2), (64, 2))

# One map a branch, (batch, height, width, channels), highest resolution first.
Maps = list[tf.Tensor]


@dataclass(frozen=True)
class Body:
    """The free numbers of an HRNet body.

    Attributes:
        width: channels of the highest resolution; branch `i` has `width * 2**i`.
        modules: modules (each ends in an exchange) in stages 2, 3 and 4.
        blocks: residual blocks a branch in each module.
        bottlenecks: blocks and planes of stage 1 (it has `4 * planes` channels).
        stem: filters and stride of each convolution before stage 1.
        deep_blocks: whether blocks of branches are bottlenecks, of a quarter of the
            branch's channels as planes, in place of two 3x3 convolutions.
    """

    width: int
    modules: tuple[int, ...] = (1, 4, 3)
    blocks: int = 4
    bottlenecks: tuple[int, int] = (4, 64)
    stem: Stem = STEM
    deep_blocks: bool = False

    @property
    def stride(self) -> int:
        """Image pixels per cell of the highest resolution."""
        product = 1
        for _, stride in self.stem:
            product *= stride
        return product

    @property
    def largest_stride(self) -> int:
        """Image pixels per cell of the lowest resolution."""
        return self.stride * 2 ** len(self.modules)

    def widths(self, branches: int) -> tuple[int, ...]:
        """Channels of the first `branches` branches, highest resolution first."""
        return tuple(self.width * 2**branch for branch in range(branches))


# The two small variants of the papers; every other one follows from its width.
SMALL_VARIANTS = {
    "18_small_v1": Body(16, modules=(1, 1, 1), blocks=2, bottlenecks=(1, 32)),
    "18_small_v2": Body(18, modules=(1, 3, 2), blocks=2, bottlenecks=(2, 64)),
}
# Those that the classification paper compares with ResNets of bottlenecks: no weights
# of them are published.
BOTTLENECK_VARIANTS = {
    f"{width}_bottleneck": Body(width, deep_blocks=True) for width in (44, 76, 96)
}
VARIANTS = {**SMALL_VARIANTS, **BOTTLENECK_VARIANTS}
PUBLISHED_WIDTHS = (18, 30, 32, 40, 44, 48, 64)


def body(
    width: int | str,
    modules: tuple[int, ...] | None = None,
    blocks: int | None = None,
    stem: Stem | None = None,
) -> Body:
    """The body of a variant, with what the caller wants otherwise.

    Args:
        width: a number of channels (published: 18, 30, 32, 40, 44, 48, 64), or the name
            of one of `VARIANTS`, such as `"18_small_v1"`.
        modules: modules in stages 2, 3 and 4; by default the variant's.
        blocks: residual blocks a branch in each module; by default the variant's.
        stem: filters and stride of each stem convolution; by default 64 and 2, twice.

    Raises:
        ValueError: if the name is unknown, or a number is missing or not positive.

    Example:
        ```python
        body(32).widths(4)                      # (32, 64, 128, 256)
        body(8, modules=(1, 1, 1), blocks=1)    # a tiny one
        ```
    """
    found = VARIANTS.get(width) if isinstance(width, str) else Body(width)
    if found is None:
        raise ValueError(
            "`width` must be a number of channels or one of "
            f"{', '.join(VARIANTS)}, got {width!r}."
        )
    found = replace(
        found,
        modules=found.modules if modules is None else tuple(modules),
        blocks=found.blocks if blocks is None else blocks,
        stem=found.stem if stem is None else tuple((f, s) for f, s in stem),
    )
    if len(found.modules) != 3 or len(found.stem) != 2:
        raise ValueError(
            "`modules` must name three numbers (stages 2, 3 and 4) and `stem` two "
            f"pairs of filters and stride, got {found.modules} and {found.stem}."
        )
    numbers = (
        found.width,
        found.blocks,
        *found.modules,
        *(n for pair in found.stem for n in pair),
    )
    if min(numbers) < 1:
        raise ValueError(f"All numbers of a body must be positive, got {found}.")
    return found


def hrnet(
    image: tf.Tensor,
    spec: Body,
    conventions: Conventions,
    *,
    high_resolution_only: bool = False,
) -> Maps:
    """Build the body on an image.

    Args:
        image: symbolic float images, `(batch, height, width, 3)`, RGB, normalised.
        spec: the body's numbers.
        conventions: what its layers have in common.
        high_resolution_only: leave out all outputs but the first (HRNetV1); the last
            module then has no exchange towards lower resolutions, as in the pose
            networks.

    Returns:
        A list of maps, highest resolution first: with the published stem at strides 4,
        8, 16 and 32, `(batch, height / stride, width / stride, width * 2**i)`.
    """
    x = stem(image, spec, conventions)
    maps = [first_stage(x, spec, conventions)]
    for stage, modules in enumerate(spec.modules, start=2):
        widths = spec.widths(stage)
        maps = transition(maps, widths, conventions, name=f"transition{stage - 1}")
        for module in range(modules):
            name = f"stage{stage}.{module}"
            maps = branches(maps, spec, conventions, name=f"{name}.branches")
            last = stage == len(spec.modules) + 1 and module == modules - 1
            outputs = 1 if last and high_resolution_only else len(maps)
            maps = exchange(maps, outputs, conventions, name=f"{name}.fuse_layers")
    return maps


def stem(image: tf.Tensor, spec: Body, conventions: Conventions) -> tf.Tensor:
    """The strided convolutions before stage 1."""
    x = image
    for number, (filters, stride) in enumerate(spec.stem, start=1):
        x = conventions.conv_bn(
            x, filters, 3, stride, names=(f"conv{number}", f"bn{number}")
        )
    return x


def first_stage(x: tf.Tensor, spec: Body, conventions: Conventions) -> tf.Tensor:
    """Stage 1: bottlenecks at the stem's resolution."""
    blocks, planes = spec.bottlenecks
    for block in range(blocks):
        x = bottleneck(x, planes, conventions, name=f"layer1.{block}")
    return x


def transition(
    maps: Maps, widths: tuple[int, ...], conventions: Conventions, *, name: str
) -> Maps:
    """Give each branch its width, and add a branch at half the lowest resolution."""
    result = []
    for i, width in enumerate(widths):
        if i >= len(maps):  # the new branch comes from the lowest resolution
            names = (f"{name}.{i}.0.0", f"{name}.{i}.0.1")
            result.append(conventions.conv_bn(maps[-1], width, 3, 2, names=names))
        elif maps[i].shape[-1] != width:
            names = (f"{name}.{i}.0", f"{name}.{i}.1")
            result.append(conventions.conv_bn(maps[i], width, 3, names=names))
        else:
            result.append(maps[i])
    return result


def branches(maps: Maps, spec: Body, conventions: Conventions, *, name: str) -> Maps:
    """Residual blocks in every branch by itself."""
    result = []
    for branch, x in enumerate(maps):
        width = x.shape[-1]
        for block in range(spec.blocks):
            path = f"{name}.{branch}.{block}"
            if spec.deep_blocks:
                x = bottleneck(x, width // 4, conventions, name=path)
            else:
                x = basic_block(x, width, conventions, name=path)
        result.append(x)
    return result


def exchange(maps: Maps, outputs: int, conventions: Conventions, *, name: str) -> Maps:
    """Fuse resolutions: each output is the sum of all branches brought to its size."""
    result = []
    for i in range(outputs):
        parts = []
        for j, x in enumerate(maps):
            path = f"{name}.{i}.{j}"
            if j > i:
                x = upward(x, maps[i], 2 ** (j - i), conventions, name=path)
            elif j < i:
                x = downward(x, maps[i].shape[-1], i - j, conventions, name=path)
            parts.append(x)
        x = layers.Add(name=f"{name}.{i}.add")(parts)
        result.append(conventions.relu(x, name=f"{name}.{i}.relu"))
    return result


def upward(
    x: tf.Tensor, like: tf.Tensor, factor: int, conventions: Conventions, *, name: str
) -> tf.Tensor:
    """Low resolution to high: 1x1 convolution, then upsampling to `like`'s size."""
    names = (f"{name}.0", f"{name}.1")
    x = conventions.conv_bn(x, like.shape[-1], 1, relu=False, names=names)
    return Upsample(factor, conventions.upsampling, name=f"{name}.2")([x, like])


def downward(
    x: tf.Tensor, filters: int, steps: int, conventions: Conventions, *, name: str
) -> tf.Tensor:
    """High resolution to low: strided 3x3 convolutions; the last changes the width."""
    for step in range(steps):
        last = step == steps - 1
        names = (f"{name}.{step}.0", f"{name}.{step}.1")
        width = filters if last else x.shape[-1]
        x = conventions.conv_bn(x, width, 3, 2, relu=not last, names=names)
    return x
