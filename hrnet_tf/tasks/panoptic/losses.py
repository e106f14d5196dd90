"""The losses of Panoptic-DeepLab's three answers, all from one map of segments."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.replicas import gathered, replicas
from hrnet_tf.tasks.dense.losses import DenseLoss, LabelLoss, channels_of, mean_parts
from hrnet_tf.tasks.dense.network import STRIDE
from hrnet_tf.tasks.panoptic.segments import CROWD, DIVISOR, VOID_CLASS
from hrnet_tf.tasks.panoptic.targets import (
    are_things,
    are_void,
    areas_of,
    center_heatmap,
    centers_of,
    places_of,
    segment_map,
)

NAN = float("nan")


@keras.saving.register_keras_serializable("hrnet_tf")
class SemanticLoss(LabelLoss):
    """Cross-entropy of the pixels that are hardest, small things counting more.

    Args:
        upsampling: how logits are brought to the targets' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.
        hardest: share of all pixels of a batch that count, those with the highest
            losses, in (0, 1].
        small_area: things of fewer pixels are small.
        small_weight: what each pixel of a small thing counts; others count 1.

    Call arguments:
        y_true: segments, whole numbers `(batch, height, width)`: `class * 1000 +
            number`, see `hrnet_tf.tasks.panoptic.segments`.
        y_pred: logits at any size, `(batch, h, w, classes)`.
        sample_weight: multiplies the losses, not what they are divided by: `(batch,)`
            for images or `(batch, height, width)` for pixels.

    Returns:
        The sum of the highest losses divided by how many they are, on all devices that
        share the batch; by samples, what each adds to it. Void pixels have a loss of 0,
        and are among them where there are no others.

    Raises:
        InputError: if an argument is out of its range or a shape does not fit.
        tf.errors.InvalidArgumentError: if a class is neither void nor one of the
            logits' (NaN under XLA, which checks nothing).

    Source: Cheng et al., https://arxiv.org/abs/1911.10194, section 3.3.

    Example:
        ```python
        SemanticLoss(hardest=0.2)(segments, logits)
        ```
    """

    def __init__(
        self,
        upsampling: Upsampling = "bilinear",
        hardest: float = 0.2,
        small_area: int = 4096,
        small_weight: float = 3.0,
        name: str = "semantic_loss",
        **kwargs: Any,
    ):
        super().__init__(upsampling, VOID_CLASS, name, **kwargs)
        if not 0 < hardest <= 1:
            raise InputError(
                f"`hardest` must be more than 0 and at most 1, got {hardest}."
            )
        self.hardest = hardest
        self.small_area = small_area
        self.small_weight = small_weight

    def parts(self, y_true, y_pred):
        """Cross-entropy of pixels; see the class."""
        segments = segment_map(y_true)
        labels, counts, outside, logits = self.labelled(segments // DIVISOR, y_pred)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.where(counts & ~outside, labels, 0), logits=logits
        )
        areas = areas_of(segments, channels_of(y_pred))
        small = (areas > 0) & (areas < self.small_area)
        losses = tf.where(outside, NAN, losses)
        losses = tf.where(counts, losses * tf.where(small, self.small_weight, 1.0), 0.0)
        limit, number = self._limit(tf.stop_gradient(losses))
        # Not to be compared: NaN, where a class cannot be.
        hard = tf.where(~(losses < limit), losses, 0.0)
        return mean_parts(hard, number / replicas())

    def _limit(self, losses):
        """The lowest loss that counts, and how many do, on all devices."""
        flat = tf.reshape(losses, (-1,))
        pixels = tf.cast(tf.size(flat) * replicas(), tf.float32)
        number = tf.maximum(1, tf.cast(tf.floor(self.hardest * pixels), tf.int32))
        highest = tf.math.top_k(flat, tf.minimum(number, tf.size(flat))).values
        if replicas() > 1:
            highest = tf.reshape(gathered(highest), (-1,))
            highest = tf.math.top_k(highest, number).values
        return highest[-1], tf.cast(number, losses.dtype)

    def get_config(self):
        """Arguments of the constructor."""
        config = super().get_config()
        del config["ignored"]
        return {
            **config,
            "hardest": self.hardest,
            "small_area": self.small_area,
            "small_weight": self.small_weight,
        }


class _ThingLoss(DenseLoss):
    """A loss of what is known of things.

    Args:
        upsampling: see `DenseLoss`.
        classes: how many there are.
    """

    def __init__(self, upsampling: Upsampling, classes: int, name: str, **kwargs: Any):
        super().__init__(upsampling, name, **kwargs)
        self.classes = classes

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable("hrnet_tf")
class CenterLoss(_ThingLoss):
    """Squared errors of the heatmap of things' centres.

    Args:
        classes: how many there are.
        sigma: of the discs, in pixels.
        upsampling: how heatmaps are brought to the targets' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.

    Call arguments:
        y_true: segments, see `SemanticLoss`.
        y_pred: heatmaps at any size, `(batch, h, w, 1)`.
        sample_weight: see `SemanticLoss`.

    Returns:
        The mean over all pixels that are neither void nor a crowd's (0 if there is
        none), on all devices that share the batch; by samples, what each adds to it.

    Raises:
        InputError: if a shape does not fit.

    Source: Cheng et al., https://arxiv.org/abs/1911.10194, section 3.3.

    Example:
        ```python
        CenterLoss(classes=19)(segments, heatmaps)
        ```
    """

    def __init__(
        self,
        classes: int,
        sigma: float = 8.0,
        upsampling: Upsampling = "bilinear",
        name: str = "center_loss",
        **kwargs: Any,
    ):
        super().__init__(upsampling, classes, name, **kwargs)
        self.sigma = sigma

    def parts(self, y_true, y_pred):
        """Squared errors of pixels; see the class."""
        segments = segment_map(y_true)
        wanted = tf.stop_gradient(center_heatmap(segments, self.classes, self.sigma))
        counts = ~are_void(segments) & (segments % DIVISOR != CROWD)
        found = self.resized(y_pred, segments)[..., 0]
        errors = tf.where(counts, found - wanted, 0.0)
        number = tf.reduce_sum(tf.cast(counts, errors.dtype))
        return mean_parts(tf.square(errors), number)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "sigma": self.sigma}


@keras.saving.register_keras_serializable("hrnet_tf")
class OffsetLoss(_ThingLoss):
    """Absolute errors of the way from each pixel of a thing to the thing's centre.

    Args:
        classes: how many there are.
        upsampling: how offsets are brought to the targets' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.

    Call arguments:
        y_true: segments, see `SemanticLoss`.
        y_pred: offsets in cells at any size, down and right, `(batch, h, w, 2)`.
        sample_weight: see `SemanticLoss`.

    Returns:
        The mean in pixels over both numbers of all pixels of things (0 if there is
        none), on all devices that share the batch; by samples, what each adds to it.

    Raises:
        InputError: if a shape does not fit.

    Source: Cheng et al., https://arxiv.org/abs/1911.10194, section 3.3.

    Example:
        ```python
        OffsetLoss(classes=19)(segments, offsets)
        ```
    """

    def __init__(
        self,
        classes: int,
        upsampling: Upsampling = "bilinear",
        name: str = "offset_loss",
        **kwargs: Any,
    ):
        super().__init__(upsampling, classes, name, **kwargs)

    def parts(self, y_true, y_pred):
        """Absolute errors of pixels; see the class."""
        segments = segment_map(y_true)
        _, centers = centers_of(segments, self.classes)
        wanted = tf.stop_gradient(centers - places_of(segments))
        things = are_things(segments)[..., None]
        found = self.resized(y_pred, segments) * STRIDE
        errors = tf.abs(tf.where(things, found - wanted, 0.0))
        number = 2 * tf.reduce_sum(tf.cast(things, errors.dtype))
        return mean_parts(tf.reduce_sum(errors, axis=-1), number)
