"""Losses of labelled pixels: cross-entropy, its hardest pixels, Lovász-softmax."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.replicas import gathered, replicas
from hrnet_tf.networks.targets import pixel_weights
from hrnet_tf.tasks.dense.losses import LabelLoss, mean_parts, of_batch

NAN = float("nan")


@keras.saving.register_keras_serializable("hrnet_tf")
class DenseCrossEntropy(LabelLoss):
    """Cross-entropy of every pixel at the labels' size.

    Args:
        upsampling: how logits are brought to the labels' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.
        ignored: the label that does not count.
        class_weights: what a pixel of each class counts; None: all the same.

    Call arguments:
        y_true: labels, whole numbers `(batch, height, width)` or `(batch, height,
            width, 1)`.
        y_pred: logits at any size, `(batch, h, w, classes)`.
        sample_weight: multiplies the losses, not what they are divided by: `(batch,)`
            for images or `(batch, height, width)` for pixels.

    Returns:
        The weighted mean over all pixels that count (0 if there is none), on all
        devices that share the batch; by samples, what each adds to it.

    Raises:
        InputError: if a shape does not fit, or the logits have another number of
            classes than there are weights.
        tf.errors.InvalidArgumentError: if a label is neither `ignored` nor a class (NaN
            under XLA, which checks nothing).

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 5.

    Example:
        ```python
        loss = DenseCrossEntropy(class_weights=(0.8, 1.2))
        hrnet_tf.HRNetV2(width=18, classes=2).compile("adam", loss=loss)
        ```
    """

    def __init__(
        self,
        upsampling: Upsampling = "bilinear",
        ignored: int = 255,
        class_weights: Sequence[float] | None = None,
        name: str = "dense_cross_entropy",
        **kwargs: Any,
    ):
        super().__init__(upsampling, ignored, name, **kwargs)
        self.class_weights = (
            None if class_weights is None else tuple(map(float, class_weights))
        )

    def parts(self, y_true, y_pred):
        """Cross-entropy of pixels; see the class."""
        losses, weights, _ = self.pixels(y_true, y_pred)
        return mean_parts(losses * weights, tf.reduce_sum(weights))

    def pixels(
        self, y_true: tf.Tensor, y_pred: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The cross-entropy of each pixel, its weight, and whether it counts.

        Args and errors are those of a call.

        Returns:
            Three maps, `(batch, height, width)`: float32, float32 (0 where a pixel does
            not count) and bool.
        """
        labels, counts, outside, logits = self.labelled(y_true, y_pred)
        labels = tf.where(counts & ~outside, labels, 0)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits
        )
        losses = tf.where(outside, NAN, losses)
        weights = tf.cast(counts, losses.dtype)
        if self.class_weights is not None:
            if len(self.class_weights) != logits.shape[-1]:
                raise InputError(
                    "`class_weights` must have one weight for each of the "
                    f"{logits.shape[-1]} classes, got {len(self.class_weights)}."
                )
            weights *= tf.gather(tf.constant(self.class_weights, losses.dtype), labels)
        return losses, weights, counts

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "class_weights": self.class_weights}


@keras.saving.register_keras_serializable("hrnet_tf")
class HardPixelCrossEntropy(DenseCrossEntropy):
    """Cross-entropy of the pixels whose class is found the least probable (OHEM).

    A pixel is hard if the probability of its label is below `threshold`, or below that
    of the pixel at position `kept` (from 0, the least probable first; the last one if
    there are fewer), whichever is higher.

    Args:
        upsampling: how logits are brought to the labels' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.
        ignored: the label that does not count.
        class_weights: what a pixel of each class counts; None: all the same.
        threshold: pixels of a lower probability are hard, in [0, 1].
        kept: how many pixels of a batch are hard at least (one fewer where no more
            than these count), on all devices that share it.

    Call arguments:
        y_true: labels, whole numbers `(batch, height, width)` or `(batch, height,
            width, 1)`.
        y_pred: logits at any size, `(batch, h, w, classes)`.
        sample_weight: multiplies the losses, not what they are divided by: `(batch,)`
            for images or `(batch, height, width)` for pixels.

    Returns:
        The plain mean of the hard pixels' weighted losses (0 if there is none), on all
        devices that share the batch; by samples, what each adds to it.

    Raises:
        InputError: if an argument is out of its range, a shape does not fit, or the
            logits have another number of classes than there are weights.
        tf.errors.InvalidArgumentError: if a label is neither `ignored` nor a class (NaN
            under XLA, which checks nothing).

    Source: Shrivastava et al., https://arxiv.org/abs/1604.03540, section 4, in the
    form of the official HRNet code.

    Example:
        ```python
        model = hrnet_tf.HRNetV2(width=18, classes=2, ocr=True)
        losses = {"auxiliary": DenseCrossEntropy(), "logits": HardPixelCrossEntropy()}
        model.compile("adam", losses, loss_weights={"auxiliary": 0.4, "logits": 1.0})
        ```
    """

    def __init__(
        self,
        upsampling: Upsampling = "bilinear",
        ignored: int = 255,
        class_weights: Sequence[float] | None = None,
        threshold: float = 0.9,
        kept: int = 131072,
        name: str = "hard_pixel_cross_entropy",
        **kwargs: Any,
    ):
        super().__init__(upsampling, ignored, class_weights, name, **kwargs)
        if not 0 <= threshold <= 1:
            raise InputError(f"`threshold` must be from 0 to 1, got {threshold}.")
        if kept < 0:
            raise InputError(f"`kept` must be at least 0, got {kept}.")
        self.threshold = threshold
        self.kept = kept

    def parts(self, y_true, y_pred):
        """Cross-entropy of the hard pixels; see the class."""
        losses, weights, counts = self.pixels(y_true, y_pred)
        probabilities = tf.stop_gradient(tf.exp(-losses))
        # Not to be compared: NaN, where a label cannot be.
        hard = counts & ~(probabilities >= self._limit(probabilities, counts))
        hard = tf.cast(hard, losses.dtype)
        return mean_parts(losses * weights * hard, tf.reduce_sum(hard))

    def _limit(self, probabilities, counts):
        # Pixels that do not count come after all others.
        flat = tf.reshape(tf.where(counts, probabilities, 2.0), (-1,))
        hardest = -tf.math.top_k(-flat, tf.minimum(self.kept + 1, tf.size(flat))).values
        number = tf.math.count_nonzero(counts, dtype=tf.int32)
        if replicas() > 1:
            hardest, number = self._of_all_devices(hardest, number)
        position = tf.clip_by_value(number - 1, 0, self.kept)
        return tf.maximum(hardest[position], self.threshold)

    def _of_all_devices(self, hardest, number):
        most = self.kept + 1
        missing = most - tf.size(hardest)
        hardest = tf.pad(hardest, [[0, missing]], constant_values=2.0)
        hardest = tf.reshape(gathered(tf.ensure_shape(hardest, (most,))), (-1,))
        number = tf.cast(tf.minimum(number, most), tf.float32)
        number = tf.cast(tf.reduce_sum(gathered(number)), tf.int32)
        return -tf.math.top_k(-hardest, most).values, number

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "kept": self.kept,
        }


@keras.saving.register_keras_serializable("hrnet_tf")
class LovaszSoftmax(LabelLoss):
    """A convex stand-in for 1 - mean IoU, over the classes that are present.

    Args:
        upsampling: how logits are brought to the labels' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.
        ignored: the label that does not count.
        per_image: take each image by itself and average; otherwise the batch counts as
            one image (on several devices each device's part of it by itself: their
            mean is not the loss of the whole batch).

    Call arguments:
        y_true: labels, whole numbers `(batch, height, width)` or `(batch, height,
            width, 1)`.
        y_pred: logits at any size, `(batch, h, w, classes)`.
        sample_weight: multiplies what each pixel adds, in the order that all pixels
            have: `(batch,)` for images or `(batch, height, width)` for pixels.

    Returns:
        The mean of the classes' losses, in [0, 1] (0 if no pixel counts).

    Raises:
        InputError: if a shape does not fit.
        tf.errors.InvalidArgumentError: if a label is neither `ignored` nor a class (NaN
            under XLA, which checks nothing).

    Source: Berman et al., https://arxiv.org/abs/1705.08790, section 3.

    Example:
        ```python
        model = hrnet_tf.HRNetV2(width=18, classes=2)
        model.compile("adam", loss=LovaszSoftmax())
        ```
    """

    def __init__(
        self,
        upsampling: Upsampling = "bilinear",
        ignored: int = 255,
        per_image: bool = False,
        name: str = "lovasz_softmax",
        **kwargs: Any,
    ):
        super().__init__(upsampling, ignored, name, **kwargs)
        self.per_image = per_image

    def values(self, y_true, y_pred, sample_weight):
        """Lovász extension of the Jaccard loss; see the class."""
        labels, counts, outside, logits = self.labelled(y_true, y_pred)
        probabilities = tf.nn.softmax(logits)
        true = tf.one_hot(tf.where(counts, labels, -1), probabilities.shape[-1])
        # Pixels that do not count are last in order, and end up as 0.
        errors = tf.where(counts[..., None], tf.abs(true - probabilities), -1.0)
        errors, true = self._by_class(errors), self._by_class(true)
        errors, order = tf.math.top_k(errors, tf.shape(errors)[-1])
        true = tf.gather(true, order, batch_dims=2)
        parts = tf.nn.relu(errors) * jaccard_steps(true)
        if sample_weight is not None:
            weights = pixel_weights(sample_weight)[..., None]
            weights *= tf.ones_like(probabilities)
            parts *= tf.gather(self._by_class(weights), order, batch_dims=2)
        losses = tf.reduce_sum(parts, axis=-1)
        present = tf.reduce_max(true, axis=-1)
        values = tf.math.divide_no_nan(
            tf.reduce_sum(losses * present, axis=-1), tf.reduce_sum(present, axis=-1)
        )
        values = tf.where(tf.reduce_any(outside), NAN, values)
        return values if self.per_image else of_batch(values[0], y_pred)

    def _by_class(self, x):
        """To `(groups, classes, pixels)`, a group being an image or the batch."""
        groups = tf.shape(x)[0] if self.per_image else 1
        return tf.transpose(tf.reshape(x, (groups, -1, x.shape[-1])), (0, 2, 1))

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "per_image": self.per_image}


def jaccard_steps(true: tf.Tensor) -> tf.Tensor:
    """How much the Jaccard loss grows as one pixel after the other is mistaken.

    Args:
        true: float32 `(..., pixels)`, 1 for pixels of the class and 0 for others, in
            the order in which they become mistakes.

    Returns:
        float32 of the same shape; sums to 1, or is 0 without any pixel of the class.

    Source: Berman et al., https://arxiv.org/abs/1705.08790, equation 9.
    """
    left = tf.reduce_sum(true, axis=-1, keepdims=True) - tf.cumsum(true, axis=-1)
    union = left + tf.cumsum(tf.ones_like(true), axis=-1)
    # In closed form: differences of nearly equal quotients would lose their digits.
    other = tf.math.divide_no_nan(left, union * (union - 1))
    return tf.where(true > 0, 1 / union, other)
