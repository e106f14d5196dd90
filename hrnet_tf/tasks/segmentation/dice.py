"""A loss of how far classes overlap, which small classes count in like large ones."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.replicas import total
from hrnet_tf.networks.targets import pixel_weights
from hrnet_tf.tasks.dense.losses import LabelLoss, of_batch

NAN = float("nan")
SMOOTH = 1.0  # pixels; what a class is counted with that is neither there nor seen


@keras.saving.register_keras_serializable("hrnet_tf")
class SoftDice(LabelLoss):
    """1 - the mean Dice score of the classes, of probabilities over the whole batch.

    Made to be added to a cross-entropy where some classes are rare: every class counts
    the same, however few its pixels. It costs little, unlike `LovaszSoftmax`.

    Args:
        upsampling: how logits are brought to the labels' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.
        ignored: the label that does not count.

    Call arguments:
        y_true: labels, whole numbers `(batch, height, width)` or `(batch, height,
            width, 1)`.
        y_pred: logits at any size, `(batch, h, w, classes)`.
        sample_weight: what a pixel counts in the sums of its class: `(batch,)` for
            images or `(batch, height, width)` for pixels.

    Returns:
        One number in [0, 1) for the batch, of all devices that share it.

    Raises:
        InputError: if a shape does not fit.
        tf.errors.InvalidArgumentError: if a label is neither `ignored` nor a class (NaN
            under XLA, which checks nothing).

    Source: Milletari et al., V-Net, https://arxiv.org/abs/1606.04797, section 3.

    Example:
        ```python
        loss = WeightedSum([DenseCrossEntropy(), SoftDice()], [1.0, 1.0])
        model = hrnet_tf.HRNetV2(width=18, classes=4)
        model.compile("adam", loss=loss)
        ```
    """

    def __init__(
        self,
        upsampling: Upsampling = "bilinear",
        ignored: int = 255,
        name: str = "soft_dice",
        **kwargs: Any,
    ):
        super().__init__(upsampling, ignored, name, **kwargs)

    def values(self, y_true, y_pred, sample_weight):
        """Overlap of labels and probabilities; see the class."""
        labels, counts, outside, logits = self.labelled(y_true, y_pred)
        probabilities = tf.nn.softmax(logits)
        true = tf.one_hot(tf.where(counts, labels, -1), probabilities.shape[-1])
        true = tf.where(outside[..., None], NAN, true)
        seen = tf.where(counts[..., None], probabilities, 0.0)
        sums = [true * seen, seen, true]
        if sample_weight is not None:
            weights = pixel_weights(sample_weight)[..., None]
            sums = [weights * x for x in sums]
        sums = total(tf.stack([tf.reduce_sum(x, (0, 1, 2)) for x in sums]))
        both, all_seen, all_true = tf.unstack(sums)
        dice = tf.reduce_mean((2 * both + SMOOTH) / (all_seen + all_true + SMOOTH))
        return of_batch(1.0 - dice, y_pred)
