"""A loss of how far classes overlap, which small classes count in like large ones."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.layers import Upsampling
from hrnet_tf.losses.dense import DenseLoss

SMOOTH = 1.0  # pixels; what a class is counted with that is neither there nor seen


@keras.saving.register_keras_serializable("hrnet_tf")
class SoftDice(DenseLoss):
    """1 - the mean Dice score of the classes, of probabilities over the whole batch.

    Made to be added to a cross-entropy where some classes are rare: every class counts
    the same, however few its pixels. It costs little, unlike `LovaszSoftmax`.

    Args:
        upsampling: how logits are brought to the labels' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.
        ignored: the label that does not count.

    Call arguments:
        y_true: integer labels, `(batch, height, width)`.
        y_pred: logits at any size, `(batch, h, w, classes)`.

    Returns:
        One number in [0, 1). On several devices each device's part of the batch counts
        by itself.

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
        super().__init__(upsampling, name, **kwargs)
        self.ignored = ignored

    def call(self, y_true, y_pred):
        """Overlap of labels and probabilities; see the class."""
        labels = tf.cast(y_true, tf.int32)
        probabilities = tf.nn.softmax(self.resized(y_pred, labels))
        counts = labels != self.ignored
        true = tf.one_hot(tf.where(counts, labels, -1), probabilities.shape[-1])
        seen = tf.where(counts[..., None], probabilities, 0.0)
        both, all_seen, all_true = (
            tf.reduce_sum(x, (0, 1, 2)) for x in (true * seen, seen, true)
        )
        return 1.0 - tf.reduce_mean(
            (2 * both + SMOOTH) / (all_seen + all_true + SMOOTH)
        )

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "ignored": self.ignored}
