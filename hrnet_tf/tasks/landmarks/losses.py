"""The loss of landmarks' heatmaps."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.networks.sample_losses import SampleLoss, sample_values
from hrnet_tf.networks.targets import check_keypoints, keypoint_weights
from hrnet_tf.tasks.landmarks.codec import LandmarkCodec


@keras.saving.register_keras_serializable("hrnet_tf")
class LandmarkLoss(SampleLoss):
    """Mean squared error of heatmaps, given landmarks; targets are drawn inside.

    Args:
        sigma: standard deviation of the targets' Gaussians, in cells.
        whole: whether they stand on whole cells; see `LandmarkCodec`.
        loss: another Keras loss to use between weighted targets and weighted heatmaps.

    Call arguments:
        y_true: `(batch, landmarks, 3)`: x, y in cells, and weight (0: not annotated,
            its map counts nowhere).
        y_pred: heatmaps, `(batch, height, width, landmarks)`.
        sample_weight: multiplies the losses: `(batch,)` for faces or `(batch,
            landmarks)` for landmarks.

    Returns:
        The mean over the batch; by samples, each face's.

    Raises:
        InputError: if a shape does not fit.

    Source: the official code.

    Example:
        ```python
        model = hrnet_tf.HRNetLandmarks(width=18, landmarks=98)
        model.compile("adam", loss=LandmarkLoss(sigma=1.5))
        ```
    """

    def __init__(
        self,
        sigma: float = 1.5,
        whole: bool = True,
        loss: keras.losses.Loss | None = None,
        name: str = "landmark_loss",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.codec = LandmarkCodec(sigma, whole)
        self.loss = keras.losses.get(loss)

    def values(self, y_true, y_pred, sample_weight):
        """Losses of the faces, `(batch,)`; see the class."""
        check_keypoints(y_true, y_pred)
        y_pred = tf.cast(y_pred, tf.float32)
        target, weights = self.codec.encode(y_true, y_pred.shape[1:3])
        if sample_weight is not None:
            weights *= keypoint_weights(sample_weight, y_pred.shape[-1])
        if self.loss is not None:
            scale = weights[:, None, None, :]
            return sample_values(self.loss, target * scale, y_pred * scale, None)
        squares = tf.math.squared_difference(target, y_pred)
        return tf.reduce_mean(tf.reduce_mean(squares, axis=(1, 2)) * weights, axis=-1)

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "sigma": self.codec.sigma,
            "whole": self.codec.whole,
            "loss": self.loss and keras.losses.serialize(self.loss),
        }
