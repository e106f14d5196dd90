"""Batch norm as one operation, which Keras 3 builds of many."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from hrnet_tf.compat import KERAS_3

# What TensorFlow's operation computes in; others go Keras's way.
FUSED_TYPES = (tf.float32, tf.float16, tf.bfloat16)


# Named like Keras's layer: weight files name their parts after classes, and those of
# Keras's own layer are to fit.
@keras.saving.register_keras_serializable("hrnet_tf")
class BatchNormalization(layers.BatchNormalization):
    """Keras 3's `BatchNormalization`, trained by one operation of TensorFlow.

    It has the same arguments and weights and gives the same answers, faster on a CPU
    (`python -m benchmarks training`). The running variance is PyTorch's: that of a
    population of which the batch is a sample (divided by n - 1), where Keras takes the
    batch's own.

    Call arguments:
        inputs: `(batch, height, width, channels)`.

    Returns:
        The same shape and type.

    Source: Ioffe and Szegedy, https://arxiv.org/abs/1502.03167, algorithms 1 and 2.

    Example:
        ```python
        x = BatchNormalization(epsilon=1e-5)(tf.ones((2, 8, 6, 4)), training=True)
        ```
    """

    def call(self, inputs: tf.Tensor, training: Any = None, mask: Any = None) -> Any:
        """Normalise; see the class."""
        learns = training and self.trainable
        if not learns or mask is not None or not self._fits(inputs):
            return super().call(inputs, training=training, mask=mask)
        output, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
        )
        for running, now in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            running.assign(running * self.momentum + now * (1.0 - self.momentum))
        return output

    def _fits(self, inputs: tf.Tensor) -> bool:
        last = self.axis in (-1, len(inputs.shape) - 1)
        plain = last and self.center and self.scale and not self.synchronized
        return plain and len(inputs.shape) == 4 and inputs.dtype in FUSED_TYPES


# Keras 2's own is fused.
BatchNorm = BatchNormalization if KERAS_3 else layers.BatchNormalization
