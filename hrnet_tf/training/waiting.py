"""How long steps wait for their batches."""

import logging
import os
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

logger = logging.getLogger(__name__)

WAITED = "data_wait"  # the column of the history
MUCH = 0.1  # a share of the time, above which there is advice
SHORT = 1.0  # seconds, up to which there is none: few steps say little
SLACK = 64  # batches that may be made before a step asks for them


class DataWait(keras.callbacks.Callback):
    """Adds to the logs which share of its time an epoch has waited for data.

    Each batch notes when it was asked for and when it was there, and each step when it
    began: what lies between is waited for, if not the batch came before the step (one
    may be asked for ahead) or the step began long before it asked (calling a graph is a
    good part of a fast GPU's step). Each note costs microseconds, whatever the task and
    its pipeline are. The first step of a training does not count, since TensorFlow
    traces it.

    Args:
        steps: of an epoch.
        cache: whether decoded images could be kept on disk (`data.cache`) and are not.

    Example:
        ```python
        wait = DataWait(steps=100)
        model.fit(wait.noted(batches), steps_per_epoch=100, callbacks=[wait])
        ```
    """

    def __init__(self, steps: int, cache: bool = False):
        super().__init__()
        self.cache = cache
        self._has_advised = False
        # Batches of the next epoch come before the times of this one are read.
        self._size = 2 * steps + SLACK
        with tf.device("CPU:0"):
            zeros = tf.zeros((self._size, 2), tf.float64)
            self._times = tf.Variable(zeros, trainable=False, name="asked_and_ready")
        self._steps = 0  # that the training has had
        self._begun: list[float] = []  # in the epoch, seconds
        self._end = 0.0

    def noted(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches, which note when they are there."""

        def ask(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return number, tf.timestamp()

        def note(request: tuple[tf.Tensor, tf.Tensor], batch: Any) -> Any:
            number, asked = request
            written = tf.raw_ops.ResourceScatterUpdate(
                resource=self._times.handle,
                indices=number % self._size,
                updates=tf.stack([asked, tf.timestamp()]),
            )
            with tf.control_dependencies([written]):
                return tf.nest.map_structure(tf.identity, batch)

        # The first is asked before the second is.
        requests = tf.data.Dataset.counter().map(ask)
        return tf.data.Dataset.zip((requests, batches)).map(note)

    def on_epoch_begin(self, epoch, logs=None):
        """Begin to count."""
        self._begun = []

    def on_train_batch_begin(self, batch, logs=None):
        """Note when a step begins."""
        self._begun.append(time.time())

    def on_train_batch_end(self, batch, logs=None):
        """Note when the last one has ended."""
        self._end = time.time()

    def on_epoch_end(self, epoch, logs=None):
        """Add the share; say what to do, once, where it is large."""
        begun = np.array(self._begun)
        numbers = self._steps + np.arange(len(begun))
        asked, ready = self._times.numpy()[numbers % self._size].T
        first = 1 if self._steps == 0 else 0
        self._steps += len(begun)
        if len(begun) <= first:
            return
        waited = np.maximum(ready - np.maximum(asked, begun), 0)[first:].sum()
        share = waited / max(self._end - begun[first], 1e-9)
        if logs is not None:
            logs[WAITED] = min(float(share), 1.0)
        if share > MUCH and waited > SHORT and not self._has_advised:
            self._has_advised = True
            logger.warning(self._advice(share, epoch + 1))

    def _advice(self, share: float, epoch: int) -> str:
        cache = "data.cache=FOLDER, which keeps decoded images; " if self.cache else ""
        return (
            f"steps of epoch {epoch} have waited for data {100 * share:.0f} % of their "
            f"time (column {WAITED} of the history). What helps: {cache}images that "
            "are stored no larger than they are used, a disk of this machine, fewer "
            f"changes in data.augmentation, more than the {os.cpu_count()} CPU cores "
            "here, which all read."
        )
