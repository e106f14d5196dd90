"""Sums over the devices that share a batch under a strategy of TensorFlow."""

import tensorflow as tf


def replicas() -> int:
    """How many devices compute this step together; 1 without a strategy."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def total(x: tf.Tensor) -> tf.Tensor:
    """The sum of what each device has, on every device; gradients pass through.

    Args:
        x: float of the same shape on each device.
    """
    if replicas() == 1:
        return x
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x)


def gathered(x: tf.Tensor) -> tf.Tensor:
    """What each device has, on every device, `(devices, ...)`; without gradients.

    Args:
        x: float of the same shape on each device.
    """
    x = tf.stop_gradient(x)[None]
    if replicas() == 1:
        return x
    context = tf.distribute.get_replica_context()
    # As a sum: TensorFlow gathers nothing inside of XLA.
    devices = tf.range(replicas()) == context.replica_id_in_sync_group
    own = tf.reshape(devices, (-1, *[1] * (len(x.shape) - 1)))
    return total(tf.where(own, x, tf.zeros_like(x)))
