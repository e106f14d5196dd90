"""A network while it is built: what the public constructors do alike."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.checkpoints.published import find_published
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.backbone import Maps, body, hrnet
from hrnet_tf.networks.constructors import Arguments, ImageShape
from hrnet_tf.networks.layers import Conventions, Initializer
from hrnet_tf.networks.resnet import ResNetBody
from hrnet_tf.networks.transfer import (
    Built,
    Translate,
    load_checkpoint_file,
    load_keras_weights,
    load_published,
    require_arguments,
)

KERAS_FILES = (".keras", ".h5")


class Network:
    """The body on an image, for a head to go on.

    Args:
        constructor: the name of the public constructor.
        head: by name, what decides besides upsampling whether a head's weights fit.
        arguments: what the constructor was given.
        initializer: see `Conventions`.
        renamed: see `Built`.
        translate: see `Built`.
        describe: the body's numbers from width, modules, blocks and stem, as `body`.

    Attributes:
        spec: the body's numbers.
        conventions: what the network's layers have in common.
        image: the symbolic image.
        include_top: whether the network gets its head.

    Raises:
        ValueError: if a size, a number or a name does not fit.
    """

    def __init__(
        self,
        constructor: str,
        head: Mapping[str, Any],
        arguments: Arguments,
        initializer: Initializer = "normal",
        renamed: Mapping[str, str] = MappingProxyType({}),
        translate: Translate | None = None,
        describe: Callable[..., Any] = body,
    ) -> None:
        self._given = given = arguments
        self.spec = describe(given.width, given.modules, given.blocks, given.stem)
        self.include_top = given.has_head
        self._built = Built(
            constructor,
            given.width,
            self.include_top,
            {**head, "upsampling": given.upsampling},
            renamed,
            translate,
        )
        check_weights(given.weights, self._built)
        self.conventions = Conventions(
            given.upsampling,
            given.bn_momentum,
            given.synchronized,
            initializer,
            given.normalization,
            given.activation,
        )
        self.image = image_input(
            given.input_shape,
            self.spec.largest_stride,
            given.upsampling,
            fixed=describe is not body,
        )

    def body(self, *, high_resolution_only: bool = False) -> Maps:
        """The body's maps, highest resolution first; see `hrnet`."""
        return hrnet(
            self.image,
            self.spec,
            self.conventions,
            high_resolution_only=high_resolution_only,
        )

    def pyramid(self, maps: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """The body's maps by level: `Pn` has stride `2**n`."""
        first = self.spec.stride.bit_length() - 1
        return {f"P{level}": x for level, x in enumerate(maps, start=first)}

    def model(
        self,
        outputs: tf.Tensor | dict[str, tf.Tensor],
        name: str,
        kind: type[keras.Model] = keras.Model,
        beside: Mapping[str, tf.Tensor] | None = None,
    ) -> keras.Model:
        """The model from the image to `outputs`, with the weights that were asked for.

        Args:
            outputs: what the network returns.
            name: the model's name, which the width (ResNet's depth) is added to, if
                none was given.
            kind: the model's class.
            beside: further inputs by name; the image's is `"image"` then.

        Raises:
            InputError: if the weights do not fit.
        """
        letter = "r" if isinstance(self.spec, ResNetBody) else "w"
        name = self._given.name or f"{name}_{letter}{self._given.width}"
        inputs = {"image": self.image, **beside} if beside else self.image
        model = kind(inputs, outputs, name=name)
        load_weights(model, self._given.weights, self._built)
        return model


def image_input(
    input_shape: ImageShape,
    largest_stride: int,
    upsampling: str,
    *,
    fixed: bool = False,
) -> tf.Tensor:
    """The symbolic image, once its size is known to fit.

    Args:
        input_shape: height, width and channels of images.
        largest_stride: image pixels per cell of the lowest resolution.
        upsampling: how low resolutions are brought to high ones.
        fixed: whether this network has no other way to do so.

    Raises:
        ValueError: if the shape is no `(height, width, 3)`, or if upsampling is nearest
            and a side is no multiple of the largest stride; the text names the padded
            size.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] != 3:
        raise ValueError(
            "`input_shape` must be (height, width, 3), channels last, with None for "
            f"sides that vary; got {shape}."
        )
    stride = largest_stride
    height, width = shape[:2]
    if upsampling == "nearest" and any(
        side is not None and side % stride for side in shape[:2]
    ):
        padded = "x".join(
            "None" if s is None else str(-(-s // stride) * stride) for s in shape[:2]
        )
        other = "" if fixed else ' or build with upsampling="bilinear"'
        start = "I" if fixed else "With nearest upsampling i"
        raise ValueError(
            f"{start}mage sides must be multiples of {stride}, got {height}x{width}; "
            f"pad to {padded}{other}."
        )
    return keras.Input(shape, name="image")


def check_weights(weights: str | Path | None, built: Built) -> None:
    """Raise an InputError if `weights` cannot be loaded, before anything is built.

    Args:
        weights: see `load_weights`.
        built: what is going to be built.

    Raises:
        InputError: if there is no such file, no weights are published by this name, or
            they are for another network.
    """
    if weights is None or Path(weights).is_file():
        return
    path = Path(weights)
    if path.suffix or len(path.parts) > 1:
        raise InputError(
            "`weights` must be None, the path of a .keras, .weights.h5, .pth, "
            ".safetensors or .npz file, or the name of published ones; there is no "
            f"file {weights}."
        )
    row = find_published(built.network, built.width, str(weights))
    require_arguments(row, built)


def load_weights(model: keras.Model, weights: str | Path | None, built: Built) -> None:
    """Load `weights`, if any are given, into a network that has just been built.

    Args:
        model: the network.
        weights: None; the path of a `.keras` or `.weights.h5` file or of a checkpoint;
            or the name of published ones.
        built: what it was built as.

    Raises:
        InputError: if there is no such file, no weights are published by this name, or
            they do not fit.
    """
    check_weights(weights, built)
    if weights is None:
        return
    path = Path(weights)
    if path.is_file() and path.suffix in KERAS_FILES:
        load_keras_weights(model, path)
    elif path.is_file():
        load_checkpoint_file(model, path, built)
    else:
        row = find_published(built.network, built.width, str(weights))
        load_published(model, row, built)
