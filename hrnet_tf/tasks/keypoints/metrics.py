"""Share of keypoints found, as a Keras metric on heatmaps."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.networks.targets import check_keypoints, keypoint_weights
from hrnet_tf.tasks.keypoints.encodings import Encoding
from hrnet_tf.tasks.keypoints.heatmaps import HeatmapCodec


@keras.saving.register_keras_serializable("hrnet_tf")
class KeypointAccuracy(keras.metrics.Metric):
    """Share of annotated keypoints whose highest heatmap cell lies near enough.

    Near means within `threshold` times a tenth of the heatmap's sides, as the official
    training log has it.

    Args:
        stride: crop pixels per heatmap cell.
        threshold: largest distance that counts, in tenths of the heatmap's height and
            width.
        encoding: of the heatmaps; see `HeatmapCodec`.

    Example:
        ```python
        metric = KeypointAccuracy(stride=4)
        metric.update_state(keypoints, heatmaps)   # (batch, k, 3) and (batch, h, w, k)
        metric.result()
        ```
    """

    def __init__(
        self,
        stride: int = 4,
        threshold: float = 0.5,
        name: str = "accuracy",
        encoding: Encoding = "plain",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.stride = stride
        self.encoding = encoding
        self.threshold = threshold
        self.found = self.add_weight(name="found", initializer="zeros")
        self.annotated = self.add_weight(name="annotated", initializer="zeros")

    # Keras 2.15 would convert this, and with it the errors to ones of its own.
    @tf.autograph.experimental.do_not_convert
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch.

        Args:
            y_true: keypoints, `(batch, k, 3)`.
            y_pred: heatmaps, `(batch, h, w, k)`.
            sample_weight: what a keypoint counts, `(batch,)` by person or `(batch, k)`;
                None: 1.

        Raises:
            InputError: if a shape does not fit, such as that of heatmaps as targets.
        """
        codec = HeatmapCodec(self.stride, refinement="none", encoding=self.encoding)
        each = codec.maps_per_keypoint
        check_keypoints(y_true, y_pred[..., ::each])
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        height, width = y_pred.shape[1:3]
        cells, _ = codec.decode(y_pred)
        scale = tf.constant([width / 10, height / 10], tf.float32)
        places = codec.in_cells(y_true[..., :2], (height, width))
        distance = tf.norm((cells - places) / scale, axis=-1)
        counts = tf.cast(y_true[..., 2] > 0, self.found.dtype)
        if sample_weight is not None:
            weights = keypoint_weights(sample_weight, y_pred.shape[-1] // each)
            counts *= tf.cast(weights, counts.dtype)
        near = tf.cast(distance < self.threshold, counts.dtype)
        self.found.assign_add(tf.reduce_sum(near * counts))
        self.annotated.assign_add(tf.reduce_sum(counts))

    def result(self):
        """The share, in [0, 1]; 0 before any keypoint was seen."""
        return tf.math.divide_no_nan(
            tf.convert_to_tensor(self.found), tf.convert_to_tensor(self.annotated)
        )

    def reset_state(self):
        """Forget all that was counted."""
        self.found.assign(0.0)
        self.annotated.assign(0.0)

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "stride": self.stride,
            "threshold": self.threshold,
            "encoding": self.encoding,
        }
