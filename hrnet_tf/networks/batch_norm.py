"""Batch norm as one operation, which Keras 3 builds of many."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from hrnet_tf.common.compat import KERAS_3, updates_held
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.replicas import total

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
    batch's own. A synchronized one takes the batches of all devices for one.

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
        if self.synchronized:
            return self._over_all_devices(inputs)
        before = {}
        if self.momentum:
            before["mean"] = tf.convert_to_tensor(self.moving_mean)
            before["variance"] = tf.convert_to_tensor(self.moving_variance)
        # It also goes on with the running statistics, which takes ten operations else.
        output, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            exponential_avg_factor=1.0 - self.momentum,
            **before,
        )
        self._assign(mean, variance)
        return output

    def _over_all_devices(self, inputs: tf.Tensor) -> tf.Tensor:
        x = tf.cast(inputs, tf.float32)
        cells = tf.fill(x.shape[-1:], tf.cast(tf.size(x[..., 0]), x.dtype))
        sums = [cells, *(tf.reduce_sum(y, (0, 1, 2)) for y in (x, tf.square(x)))]
        count, first, second = tf.unstack(total(tf.stack(sums)))
        mean = first / count
        variance = tf.nn.relu(second / count - tf.square(mean))
        self._update(mean, variance * count / tf.maximum(count - 1, 1.0))
        gamma, beta = map(tf.convert_to_tensor, (self.gamma, self.beta))
        output = tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)
        return tf.cast(output, inputs.dtype)

    def _update(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        new = [
            running * self.momentum + now * (1.0 - self.momentum)
            for running, now in (
                (self.moving_mean, mean),
                (self.moving_variance, variance),
            )
        ]
        self._assign(*new)

    def _assign(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        if updates_held():
            return
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)

    def _fits(self, inputs: tf.Tensor) -> bool:
        axis = self.axis if isinstance(self.axis, int) else self.axis[0]
        last = axis in (-1, len(inputs.shape) - 1)
        plain = last and self.center and self.scale
        return plain and len(inputs.shape) == 4 and inputs.dtype in FUSED_TYPES


# Keras 2's own is fused, but for a synchronized one.
BatchNorm = BatchNormalization if KERAS_3 else layers.BatchNormalization


def synchronize(network: keras.Model) -> None:
    """Let a network that was saved by one device share its statistics over several.

    Args:
        network: all of its batch norm is this package's.

    Raises:
        InputError: if it was saved by one device under Keras 2, whose layer for that
            cannot change.
    """
    for layer in network.layers:
        if isinstance(layer, BatchNormalization):
            layer.synchronized = True
        elif isinstance(layer, BatchNorm):
            raise InputError(
                "This training began on one device, and under Keras 2 it goes on with "
                "one device only."
            )
