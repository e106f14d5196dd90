"""What all losses share: one value a sample, and what `sample_weight` weighs."""

from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.replicas import replicas


class SampleLoss(keras.losses.Loss):
    """A loss with one value a sample, whose mean over the batch is the loss.

    Keras takes that mean, and under a strategy divides it by the number of devices,
    whose gradients add up. Weights are multiplied inside, since they may be those of
    pixels or keypoints: as everywhere in Keras they weigh what is summed up, and not
    what it is divided by.
    """

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss of a batch, reduced as Keras reduces its own."""
        if sample_weight is not None:
            y_true = (y_true, sample_weight)
        return super().__call__(y_true, y_pred)

    # Keras 2.15 would convert this, and with it the errors to ones of its own.
    @tf.autograph.experimental.do_not_convert
    def call(self, y_true, y_pred):
        """One value a sample, `(batch,)`; `y_true` may be `(y_true, sample_weight)`."""
        y_true, weights = y_true if isinstance(y_true, tuple) else (y_true, None)
        return self.values(y_true, y_pred, weights)

    def values(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None
    ) -> tf.Tensor:
        """One value a sample, `(batch,)`, float32.

        Args:
            y_true: see the class.
            y_pred: see the class.
            sample_weight: see the class; None: 1.
        """
        raise NotImplementedError


def sample_values(
    loss: Any, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None
) -> tf.Tensor:
    """One value a sample of any loss.

    Args:
        loss: a loss of this package or of Keras, or a function like those of Keras.
        y_true: what it takes.
        y_pred: what it takes.
        sample_weight: what it takes if it is of this package, else of a shape that
            fits its values; None: 1.

    Returns:
        `(batch,)`. A loss that gives one number for a batch has it for each sample.

    Raises:
        InputError: if there are weights and the loss gives one number for a batch.
    """
    if isinstance(loss, SampleLoss):
        return loss.values(y_true, y_pred, sample_weight)
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss
    values = tf.convert_to_tensor(call(y_true, y_pred))
    count = tf.shape(y_pred)[0]
    if values.shape.rank == 0:
        if sample_weight is not None:
            name = getattr(loss, "name", None) or type(loss).__name__
            raise InputError(
                f"`sample_weight` cannot be obeyed: {name} gives one number for a "
                "whole batch; let its `call` return one for each sample."
            )
        return tf.fill([count], values)
    if sample_weight is not None:
        values *= _fitted(tf.cast(sample_weight, values.dtype), values)
    axes = range(1, values.shape.rank)
    if getattr(loss, "reduction", None) == "sum":
        scale = tf.cast(count * replicas(), values.dtype)
        return scale * tf.reduce_sum(values, axes)
    return tf.reduce_mean(values, axes)


def _fitted(weights, values):
    """Weights of samples, or of what each sample has several of, like `values`."""
    if weights.shape.rank > 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    missing = values.shape.rank - weights.shape.rank
    if missing < 0 or not weights.shape.is_compatible_with(
        values.shape[: weights.shape.rank]
    ):
        raise InputError(
            f"`sample_weight` of shape {tuple(weights.shape)} does not fit losses of "
            f"shape {tuple(values.shape)}; give (batch,)."
        )
    return tf.reshape(weights, (*tf.unstack(tf.shape(weights)), *[1] * missing))
