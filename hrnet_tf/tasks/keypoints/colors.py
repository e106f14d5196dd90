"""Random colours of crops, inside the training model."""

from typing import Protocol

import tensorflow as tf
from keras import layers

from hrnet_tf.common.compat import CHANNELS_LAST


class Colors(Protocol):
    """A section that says how far colours may change."""

    @property
    def brightness(self) -> float: ...  # noqa: D102
    @property
    def contrast(self) -> float: ...  # noqa: D102


def change_colors(crops: tf.Tensor, augmentation: Colors) -> tf.Tensor:
    """Random brightness and contrast of float crops in 0..255, in training only."""
    if augmentation.brightness:
        crops = layers.RandomBrightness(
            augmentation.brightness, (0, 255), dtype="float32", name="brightness"
        )(crops)
    if augmentation.contrast:
        crops = layers.RandomContrast(
            augmentation.contrast, dtype="float32", name="contrast", **CHANNELS_LAST
        )(crops)
    return crops
