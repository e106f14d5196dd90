"""Losses of numbers at every pixel, such as depth or height."""

from typing import Any, Literal, get_args

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.replicas import gathered
from hrnet_tf.networks.targets import number_map
from hrnet_tf.tasks.dense.losses import DenseLoss, channels_of, mean_parts

Kind = Literal["l1", "l2", "berhu"]
KINDS = get_args(Kind)

# Share of a batch's largest error at which berHu becomes quadratic.
BERHU_SHARE = 0.2


@keras.saving.register_keras_serializable("hrnet_tf")
class DenseRegression(DenseLoss):
    """Errors of numbers at every pixel, at the targets' size; NaN is not annotated.

    Args:
        kind: `"l1"` (absolute errors), `"l2"` (squared errors) or `"berhu"` (absolute
            errors up to a fifth of the batch's largest, quadratic above).
        upsampling: how predictions are brought to the targets' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.

    Call arguments:
        y_true: float `(batch, height, width, channels)`, or `(batch, height, width)`
            for one channel; numbers that are NaN do not count.
        y_pred: float at any size, `(batch, h, w, channels)`.
        sample_weight: multiplies the losses, not their number: `(batch,)` for images or
            `(batch, height, width)` for pixels. What is not annotated is NaN instead.

    Returns:
        The mean over all numbers that count (0 if there is none), on all devices that
        share the batch; by samples, what each adds to it.

    Raises:
        InputError: if an argument is unknown, or targets and predictions differ in
            channels.

    Source: berHu: Laina et al., https://arxiv.org/abs/1606.00373, section 3.2.

    Example:
        ```python
        depth[depth == 0] = np.nan  # the sensor saw nothing
        model = hrnet_tf.HRNetV2(width=18, classes=1)
        model.compile("adam", loss=DenseRegression("berhu"))
        model.fit(images, depth)
        ```
    """

    def __init__(
        self,
        kind: Kind = "l1",
        upsampling: Upsampling = "bilinear",
        name: str = "dense_regression",
        **kwargs: Any,
    ):
        super().__init__(upsampling, name, **kwargs)
        if kind not in KINDS:
            raise InputError(f"`kind` must be one of {KINDS}, got {kind!r}.")
        self.kind = kind

    def parts(self, y_true, y_pred):
        """Errors of pixels; see the class."""
        target = number_map(y_true, channels_of(y_pred))
        counts = ~tf.math.is_nan(target)
        # Before the losses: their gradients at NaN would be NaN, though masked later.
        errors = tf.where(counts, self.resized(y_pred, target) - target, 0.0)
        losses = {"l1": tf.abs, "l2": tf.square, "berhu": berhu}[self.kind](errors)
        number = tf.reduce_sum(tf.cast(counts, losses.dtype))
        return mean_parts(tf.reduce_sum(losses, axis=-1), number)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "kind": self.kind}


def berhu(errors: tf.Tensor) -> tf.Tensor:
    """Reverse Huber loss of each error; the largest of all errors sets its scale.

    Args:
        errors: float32 of any shape.

    Returns:
        float32 of the same shape: `|e|` up to `c`, and `(e**2 + c**2) / (2 * c)` above,
        `c` being a fifth of the largest `|e|` on all devices, taken as a constant.

    Source: Laina et al., https://arxiv.org/abs/1606.00373, equation 1.
    """
    sizes = tf.abs(errors)
    c = BERHU_SHARE * tf.reduce_max(gathered(tf.reduce_max(sizes)))
    squared = tf.math.divide_no_nan(tf.square(errors) + tf.square(c), 2 * c)
    return tf.where(sizes <= c, sizes, squared)
