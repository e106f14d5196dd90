"""Layers and building blocks that every network of the family is made of.

Numerics follow PyTorch, in which all published weights were trained: symmetric padding,
batch norm with epsilon 1e-5, and the three upsampling rules of the official
repositories.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import keras
import tensorflow as tf
from keras import layers

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.upsampling import UPSAMPLING, Upsampling
from hrnet_tf.networks.batch_norm import BatchNorm, BatchNormalization

Initializer = Literal["normal", "kaiming"]

# Whatever Keras is set to: every layer that would ask Keras is told.
CHANNELS_LAST = "channels_last"

_BLANK: ContextVar[bool] = ContextVar("blank", default=False)


@contextlib.contextmanager
def blank_weights() -> Iterator[None]:
    """Kernels of networks that are built in here are zeros, which take no time.

    For what looks at a network's graph and does not run it.
    """
    token = _BLANK.set(True)
    try:
        yield
    finally:
        _BLANK.reset(token)


def resize_bilinear(x: tf.Tensor, size: tf.Tensor, align_corners: bool) -> tf.Tensor:
    """Resize maps as PyTorch's `interpolate` does, under either corner rule.

    Args:
        x: float maps, `(batch, height, width, channels)`.
        size: int32 `(2,)`, the new height and width.
        align_corners: whether the centres of the corner pixels stay where they are
            (otherwise the corners of the corner pixels do: "half pixel").

    Returns:
        Maps of `size`, in the type of `x`. The arithmetic is float32: the gradient of
        this operation has no half-precision kernel under XLA.
    """
    resized = tf.raw_ops.ResizeBilinear(
        images=tf.cast(x, tf.float32),
        size=size,
        align_corners=align_corners,
        half_pixel_centers=not align_corners,
    )
    return tf.cast(resized, x.dtype)


def resize_like(maps: tf.Tensor, like: tf.Tensor, align_corners: bool) -> tf.Tensor:
    """Answers for cells as answers for pixels, float32 under any precision.

    Args:
        maps: what a network answers, `(batch, h, w, channels)`.
        like: of the size to have, `(batch, height, width)` or `(batch, height, width,
            any)`.
        align_corners: see `resize_bilinear`.

    Returns:
        `(batch, height, width, channels)`.
    """
    size = tf.shape(like)[1:3]
    return resize_bilinear(tf.cast(maps, tf.float32), size, align_corners)


def aligns_corners(upsampling: Upsampling) -> bool:
    """Which corner rule brings dense predictions to the size of their targets.

    Raises:
        InputError: if `upsampling` is not bilinear.
    """
    if upsampling not in UPSAMPLING or upsampling == "nearest":
        raise InputError(
            '`upsampling` must be "bilinear" or "bilinear_align_corners", got '
            f"{upsampling!r}."
        )
    return upsampling == "bilinear_align_corners"


def dense_rule(upsampling: Upsampling) -> Upsampling:
    """How dense predictions are resized in a network with this rule: never nearest."""
    return "bilinear" if upsampling == "nearest" else upsampling


def repeat_nearest(x: tf.Tensor, factor: int) -> tf.Tensor:
    """Repeat every pixel `factor` times in both directions.

    Written as broadcast and reshape because TensorFlow's own nearest resizing has no
    gradient under XLA.
    """
    height, width = _sides(x)
    channels = x.shape[-1]
    x = tf.reshape(x, (-1, height, 1, width, 1, channels))
    batch = tf.shape(x)[0]
    x = tf.broadcast_to(x, (batch, height, factor, width, factor, channels))
    return tf.reshape(x, (-1, height * factor, width * factor, channels))


@keras.saving.register_keras_serializable("hrnet_tf")
class Upsample(layers.Layer):
    """Bring a map to the size of a larger one.

    Args:
        factor: how many times the second map is larger; only nearest upsampling uses
            it.
        rule: `"nearest"` (classification, pose, detection), `"bilinear"` (half-pixel
            centres: segmentation, landmarks) or `"bilinear_align_corners"` (OCR).

    Call arguments:
        inputs: two maps, `(batch, h, w, channels)` and `(batch, height, width, any)`.

    Returns:
        The first map at the size of the second, `(batch, height, width, channels)`.

    Raises:
        ValueError: if the rule is unknown, or if nearest upsampling does not meet the
            larger size, which happens when image sides are no multiples of the
            network's largest stride.

    Example:
        ```python
        low, high = tf.ones((1, 8, 6, 4)), tf.ones((1, 16, 12, 2))
        Upsample(2, "nearest")([low, high]).shape  # (1, 16, 12, 4)
        ```
    """

    def __init__(self, factor: int, rule: Upsampling = "nearest", **kwargs: Any):
        super().__init__(**kwargs)
        if rule not in UPSAMPLING:
            raise ValueError(f"`upsampling` must be one of {UPSAMPLING}, got {rule!r}.")
        self.factor = factor
        self.rule = rule

    def call(self, inputs):
        """Apply the rule; see the class."""
        x, like = inputs
        if self.rule != "nearest":
            size = tf.stack(_sides(like))
            return resize_bilinear(x, size, self.rule == "bilinear_align_corners")
        self._check(x, like)
        return repeat_nearest(x, self.factor)

    def _check(self, x, like):
        for small, large in zip(x.shape[1:3], like.shape[1:3], strict=True):
            if None not in (small, large) and small * self.factor != large:
                raise ValueError(
                    "With nearest upsampling image sides must be multiples of the "
                    f"network's largest stride (32): a side of {small} times "
                    f"{self.factor} cannot meet one of {large}. Pad the image, or take "
                    "bilinear upsampling."
                )

    def compute_output_shape(self, input_shape):
        """Batch, height and width of the second map, channels of the first."""
        x, like = input_shape
        return (*like[:3], x[-1])

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor, "rule": self.rule}


LayerFactory = Callable[..., layers.Layer]


@dataclass(frozen=True)
class Conventions:
    """What all layers of one network have in common.

    Attributes:
        upsampling: how the fuse layers bring low resolutions to high ones.
        bn_momentum: batch norm's momentum as Keras means it (PyTorch's 0.1 is 0.9
            here).
        synchronized: whether batch norm shares its statistics between devices.
        initializer: `"normal"` (standard deviation 0.001: pose, segmentation) or
            `"kaiming"` (fan out, for ReLU: classification, detection).
        normalization: what to put in place of batch norm; called with `name=`.
        activation: what to put in place of ReLU; called with `name=`.
    """

    upsampling: Upsampling = "nearest"
    bn_momentum: float = 0.9
    synchronized: bool = False
    initializer: Initializer = "normal"
    normalization: LayerFactory | None = None
    activation: LayerFactory | None = None

    def conv(
        self,
        x: tf.Tensor,
        filters: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        dilation: int = 1,
        bias: bool = False,
        initializer: keras.initializers.Initializer | None = None,
        name: str,
    ) -> tf.Tensor:
        """Convolution, padded on all four sides alike; see `Conventions`."""
        if stride > 1 and kernel > 1:  # "same" would pad the bottom and right only
            x = layers.ZeroPadding2D(
                kernel // 2, data_format=CHANNELS_LAST, name=f"{name}.pad"
            )(x)
        return layers.Conv2D(
            filters,
            kernel,
            stride,
            padding="same" if stride == 1 else "valid",
            data_format=CHANNELS_LAST,
            dilation_rate=dilation,
            use_bias=bias,
            kernel_initializer=initializer or self.new_initializer(),
            name=name,
        )(x)

    def norm(self, x: tf.Tensor, *, name: str) -> tf.Tensor:
        """Batch norm, or what stands in its place."""
        if self.normalization is not None:
            return self.normalization(name=name)(x)
        kind = BatchNormalization if self.synchronized else BatchNorm
        return kind(
            momentum=self.bn_momentum,
            epsilon=1e-5,
            synchronized=self.synchronized,
            name=name,
        )(x)

    def relu(self, x: tf.Tensor, *, name: str) -> tf.Tensor:
        """ReLU, or what stands in its place."""
        return (self.activation or layers.ReLU)(name=name)(x)

    def conv_bn(
        self,
        x: tf.Tensor,
        filters: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        dilation: int = 1,
        bias: bool = False,
        relu: bool = True,
        names: tuple[str, str],
    ) -> tf.Tensor:
        """Convolution (without bias, if none is asked for), batch norm and ReLU.

        `names` are those of the convolution and of the batch norm in official
        checkpoints.
        """
        conv, bn = names
        x = self.conv(
            x, filters, kernel, stride, dilation=dilation, bias=bias, name=conv
        )
        x = self.norm(x, name=bn)
        return self.relu(x, name=f"{bn}.relu") if relu else x

    def deconv_bn(
        self, x: tf.Tensor, filters: int, *, names: tuple[str, str, str]
    ) -> tf.Tensor:
        """Transposed 4x4 convolution to twice the size, batch norm and ReLU.

        `names` are those of the three in official checkpoints.
        """
        conv, bn, relu = names
        x = layers.Conv2DTranspose(
            filters,
            4,
            2,
            padding="same",
            data_format=CHANNELS_LAST,
            use_bias=False,
            kernel_initializer=self.new_initializer(),
            name=conv,
        )(x)
        return self.relu(self.norm(x, name=bn), name=relu)

    def output_conv(self, x: tf.Tensor, filters: int, *, name: str) -> tf.Tensor:
        """Last 1x1 convolution, with bias; float32 under mixed precision."""
        return layers.Conv2D(
            filters,
            1,
            data_format=CHANNELS_LAST,
            kernel_initializer=self.new_initializer(),
            dtype=output_dtype(x),
            name=name,
        )(x)

    def new_initializer(self) -> keras.initializers.Initializer:
        """A new object each time: a shared one would draw the same numbers again."""
        if _BLANK.get():
            return keras.initializers.Zeros()
        if self.initializer == "kaiming":
            return keras.initializers.VarianceScaling(
                2.0, "fan_out", "untruncated_normal"
            )
        return keras.initializers.RandomNormal(stddev=0.001)


def output_dtype(x: tf.Tensor) -> str | None:
    """What type a network's outputs have: never a half-precision one."""
    return "float32" if tf.as_dtype(x.dtype).size < 4 else None


def basic_block(
    x: tf.Tensor, filters: int, conventions: Conventions, *, name: str
) -> tf.Tensor:
    """Two 3x3 convolutions around an identity (BasicBlock, expansion 1)."""
    y = conventions.conv_bn(x, filters, names=(f"{name}.conv1", f"{name}.bn1"))
    y = conventions.conv_bn(
        y, filters, relu=False, names=(f"{name}.conv2", f"{name}.bn2")
    )
    y = layers.Add(name=f"{name}.add")([y, x])
    return conventions.relu(y, name=f"{name}.relu")


def bottleneck(
    x: tf.Tensor,
    planes: int,
    conventions: Conventions,
    stride: int = 1,
    *,
    dilation: int = 1,
    name: str,
) -> tf.Tensor:
    """1x1, 3x3, 1x1 convolutions to `4 * planes` channels (Bottleneck, expansion 4).

    The 3x3 convolution has the stride and the dilation.
    """
    conv_bn = conventions.conv_bn
    y = conv_bn(x, planes, 1, names=(f"{name}.conv1", f"{name}.bn1"))
    names = (f"{name}.conv2", f"{name}.bn2")
    y = conv_bn(y, planes, 3, stride, dilation=dilation, names=names)
    y = conv_bn(y, 4 * planes, 1, relu=False, names=(f"{name}.conv3", f"{name}.bn3"))
    if stride > 1 or x.shape[-1] != 4 * planes:
        names = (f"{name}.downsample.0", f"{name}.downsample.1")
        x = conv_bn(x, 4 * planes, 1, stride, relu=False, names=names)
    y = layers.Add(name=f"{name}.add")([y, x])
    return conventions.relu(y, name=f"{name}.relu")


def _sides(x: tf.Tensor) -> tuple:
    """Height and width, as numbers where they are known."""
    dynamic = tf.shape(x)
    static = x.shape[1:3]
    return tuple(
        dynamic[i + 1] if side is None else side for i, side in enumerate(static)
    )
