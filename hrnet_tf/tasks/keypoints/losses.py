"""Losses of keypoints' heatmaps, as plain functions and as a Keras loss."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.sample_losses import SampleLoss, sample_values
from hrnet_tf.networks.targets import check_keypoints, keypoint_weights
from hrnet_tf.tasks.keypoints.encodings import Encoding
from hrnet_tf.tasks.keypoints.heatmaps import HeatmapCodec


def joint_errors(
    target: tf.Tensor, predicted: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Half the mean squared error of each weighted heatmap.

    Args:
        target: heatmaps, `(batch, height, width, keypoints)`.
        predicted: heatmaps of the same shape.
        weights: `(batch, keypoints)`; multiplied into both heatmaps, so their square
            counts.

    Returns:
        `(batch, keypoints)`.
    """
    errors = tf.reduce_mean(tf.math.squared_difference(target, predicted), axis=(1, 2))
    return 0.5 * errors * tf.square(weights)


def offset_errors(
    target: tf.Tensor, predicted: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """`joint_errors` of discs, and of offsets inside of them, added up.

    Args:
        target: three maps a keypoint, one after another: a disc of ones, and how far
            right and down the keypoint is, `(batch, height, width, 3 * keypoints)`.
        predicted: of the same shape.
        weights: `(batch, keypoints)`.

    Returns:
        `(batch, keypoints)`.

    Source: Huang et al., https://arxiv.org/abs/1911.07524, section 4.3.
    """
    disc = target[..., ::3]
    errors = joint_errors(disc, predicted[..., ::3], weights)
    for axis in (1, 2):
        meant, found = (disc * maps[..., axis::3] for maps in (target, predicted))
        errors += joint_errors(meant, found, weights)
    return errors


def heatmap_mse(
    target: tf.Tensor, predicted: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Mean of `joint_errors` over the keypoints, `(batch,)`.

    Source: Sun et al., https://arxiv.org/abs/1902.09212, section 3; the official
    JointsMSELoss is its mean over the batch.
    """
    return tf.reduce_mean(joint_errors(target, predicted, weights), axis=-1)


def heatmap_ohkm(
    target: tf.Tensor, predicted: tf.Tensor, weights: tf.Tensor, hardest: int = 8
) -> tf.Tensor:
    """Mean of the `hardest` largest `joint_errors` of each person, `(batch,)`.

    Source: Chen et al., https://arxiv.org/abs/1711.07319, section 3.2 (online hard
    keypoints mining).
    """
    return _hardest_mean(joint_errors(target, predicted, weights), hardest)


def _hardest_mean(errors, hardest, weights=None):
    """Of errors `(batch, keypoints)`; weights are those of keypoints."""
    if hardest > errors.shape[-1]:
        raise ValueError(
            f"`hardest` must be at most the number of keypoints, {errors.shape[-1]}, "
            f"got {hardest}."
        )
    largest, order = tf.math.top_k(errors, hardest)
    if weights is not None:
        largest *= tf.gather(weights, order, batch_dims=1)
    return tf.reduce_mean(largest, axis=-1)


@keras.saving.register_keras_serializable("hrnet_tf")
class KeypointLoss(SampleLoss):
    """Compare predicted heatmaps with keypoints; the targets are drawn inside the step.

    Args:
        stride: crop pixels per heatmap cell.
        sigma: standard deviation of the targets' Gaussians, in cells.
        hardest: average only this many keypoints with the largest errors (0: all).
        loss: another Keras loss to use between weighted targets and weighted heatmaps.
        encoding: how targets are drawn; see `HeatmapCodec`.

    Call arguments:
        y_true: `(batch, keypoints, 3)`: x, y in crop pixels, and weight (0: not
            annotated).
        y_pred: heatmaps, `(batch, height, width, keypoints)`; with offsets three maps a
            keypoint.
        sample_weight: multiplies the losses: `(batch,)` for people or `(batch,
            keypoints)` for keypoints. With another `loss`, `(batch,)`, if that gives a
            value a sample.

    Returns:
        The mean over the batch; by samples, each person's.

    Raises:
        InputError: if a shape does not fit, such as that of heatmaps as targets.

    Example:
        ```python
        model = hrnet_tf.HRNetV1(width=32, keypoints=17)
        model.compile("adam", loss=KeypointLoss(stride=4, sigma=2.0, hardest=8))
        ```
    """

    def __init__(
        self,
        stride: int = 4,
        sigma: float = 2.0,
        hardest: int = 0,
        loss: keras.losses.Loss | None = None,
        name: str = "keypoint_loss",
        encoding: Encoding = "plain",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.codec = HeatmapCodec(stride, sigma, "none", encoding)
        self.hardest = hardest
        self.loss = keras.losses.get(loss)

    def values(self, y_true, y_pred, sample_weight):
        """Losses of the persons, `(batch,)`; see the class."""
        each = self.codec.maps_per_keypoint
        check_keypoints(y_true, y_pred[..., ::each])
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        target, weights = self.codec.encode(y_true, y_pred.shape[1:3])
        if sample_weight is not None:
            sample_weight = keypoint_weights(sample_weight, y_pred.shape[-1] // each)
        if self.loss is not None:
            scale = tf.repeat(weights, each, axis=-1)[:, None, None, :]
            if sample_weight is not None and sample_weight.shape[-1] != 1:
                raise InputError(
                    "`sample_weight` of keypoints cannot be obeyed with another loss, "
                    "which knows no keypoints; give (batch,)."
                )
            return sample_values(
                self.loss, target * scale, y_pred * scale, sample_weight
            )
        if self.codec.has_offsets:
            errors = offset_errors(target, y_pred, weights)
        else:
            errors = joint_errors(target, y_pred, weights)
        if sample_weight is not None:
            sample_weight *= tf.ones_like(errors)
        if self.hardest:
            return _hardest_mean(errors, self.hardest, sample_weight)
        errors = errors if sample_weight is None else errors * sample_weight
        return tf.reduce_mean(errors, axis=-1)

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "stride": self.codec.stride,
            "sigma": self.codec.sigma,
            "hardest": self.hardest,
            "loss": self.loss and keras.losses.serialize(self.loss),
            "encoding": self.codec.encoding,
        }
