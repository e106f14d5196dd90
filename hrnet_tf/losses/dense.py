"""What losses of dense predictions share: they compare at the targets' size."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.layers import Upsampling, aligns_corners, resize_bilinear


class DenseLoss(keras.losses.Loss):
    """A loss of maps that are first brought to the size of the targets.

    Args:
        upsampling: how: `"bilinear"` (half pixel) or `"bilinear_align_corners"`.

    Raises:
        InputError: if `upsampling` is neither.
    """

    def __init__(self, upsampling: Upsampling, name: str, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.upsampling = upsampling
        self._align_corners = aligns_corners(upsampling)

    def resized(self, y_pred: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """Predictions at the size of targets, float32 under any precision.

        Args:
            y_pred: `(batch, h, w, channels)`.
            like: `(batch, height, width)` or `(batch, height, width, any)`.

        Returns:
            `(batch, height, width, channels)`.
        """
        y_pred = tf.cast(y_pred, tf.float32)
        return resize_bilinear(y_pred, tf.shape(like)[1:3], self._align_corners)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "upsampling": self.upsampling}
