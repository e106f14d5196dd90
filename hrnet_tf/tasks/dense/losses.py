"""What losses of dense predictions share: they compare at the targets' size."""

from typing import Any

import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.layers import Upsampling, aligns_corners, resize_like
from hrnet_tf.networks.replicas import replicas, total
from hrnet_tf.networks.sample_losses import SampleLoss
from hrnet_tf.networks.targets import label_map, pixel_weights


class DenseLoss(SampleLoss):
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

    def values(self, y_true, y_pred, sample_weight):
        """Sums of what the pixels of each sample add to it."""
        parts = self.parts(y_true, y_pred)
        if sample_weight is not None:
            parts *= pixel_weights(sample_weight)
        return tf.reduce_sum(parts, axis=(1, 2))

    def parts(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """What each pixel adds to the value of its sample, `(batch, height, width)`.

        Args and errors are those of a call.
        """
        raise NotImplementedError

    def resized(self, y_pred: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """Predictions at the size of targets; see `resize_like`."""
        return resize_like(y_pred, like, self._align_corners)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "upsampling": self.upsampling}


class LabelLoss(DenseLoss):
    """A loss of logits, given labels.

    Args:
        upsampling: see `DenseLoss`.
        ignored: the label that does not count.
    """

    def __init__(self, upsampling: Upsampling, ignored: int, name: str, **kwargs: Any):
        super().__init__(upsampling, name, **kwargs)
        self.ignored = ignored

    def labelled(
        self, y_true: tf.Tensor, y_pred: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Labels, whether they count, whether they cannot be, and logits of their size.

        See `hrnet_tf.networks.targets.label_map`.
        """
        classes = channels_of(y_pred)
        labels, counts, outside = label_map(y_true, classes, self.ignored)
        return labels, counts, outside, self.resized(y_pred, labels)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "ignored": self.ignored}


def channels_of(y_pred: tf.Tensor) -> int:
    """How many channels predictions of pixels have.

    Raises:
        InputError: if they are no maps.
    """
    if len(y_pred.shape) != 4:
        raise InputError(
            "Predictions of pixels must be (batch, height, width, channels), got "
            f"{tuple(y_pred.shape)}."
        )
    return int(y_pred.shape[-1])


def mean_parts(losses: tf.Tensor, divisor: tf.Tensor) -> tf.Tensor:
    """Parts of a sum that is divided by something of all devices' pixels.

    Args:
        losses: of the pixels, `(batch, ...)`.
        divisor: this device's part of what they are divided by, such as the number of
            pixels that count.

    Returns:
        float32 like `losses`: sums by sample have the quotient as their mean over the
        samples of all devices.
    """
    samples = tf.cast(tf.shape(losses)[0] * replicas(), losses.dtype)
    return losses * tf.math.divide_no_nan(samples, total(divisor))


def of_batch(value: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """A number of a whole batch as the value of each of its samples."""
    return tf.repeat(value, tf.shape(y_pred)[0])
