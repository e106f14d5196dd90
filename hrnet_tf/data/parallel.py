"""Batches that are made side by side, in order."""

import os
from collections.abc import Callable

import tensorflow as tf

AHEAD = 2  # batches that are made before they are needed


def in_parallel(
    samples: tf.data.Dataset, batch_size: int, load: Callable
) -> tf.data.Dataset:
    """Full batches of samples, loaded on every core, in order."""
    options = tf.data.Options()
    # At times tf.data's own tuning leaves all but one core idle.
    options.autotune.enabled = False
    batches = samples.batch(batch_size, drop_remainder=True)
    cores = os.cpu_count() or 1
    batches = batches.map(load, num_parallel_calls=cores, deterministic=True)
    return batches.with_options(options)
