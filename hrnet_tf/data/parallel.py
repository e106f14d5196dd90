"""Batches that are made side by side, in order, and shared out among processes."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

logger = logging.getLogger(__name__)

AHEAD = 2  # batches that are made before they are needed


@dataclass(frozen=True)
class Share:
    """What one of several processes takes of every batch: rows that are neighbours.

    Attributes:
        number: of the process, from 0.
        of: how many there are.
    """

    number: int = 0
    of: int = 1

    def rows(self, batch_size: int) -> slice:
        """Its rows of a batch, whose size is a multiple of the processes."""
        count = batch_size // self.of
        return slice(self.number * count, (self.number + 1) * count)


WHOLE = Share()

_share: ContextVar[Share] = ContextVar("share", default=WHOLE)


@contextlib.contextmanager
def share_of(share: Share) -> Iterator[None]:
    """What `in_parallel` makes in here loads these rows of each batch only."""
    before = _share.set(share)
    try:
        yield
    finally:
        _share.reset(before)


def in_parallel(
    samples: tf.data.Dataset, batch_size: int, load: Callable
) -> tf.data.Dataset:
    """Full batches of samples, loaded on every core, in order.

    Args:
        samples: one by one, as far as they are known without reading.
        batch_size: of all processes together.
        load: reads a batch, or the rows of it that `share_of` says.
    """
    options = tf.data.Options()
    # At times tf.data's own tuning leaves all but one core idle.
    options.autotune.enabled = False
    batches = samples.batch(batch_size, drop_remainder=True)
    share = _share.get()
    if share.of > 1:
        rows = share.rows(batch_size)
        batches = _each_tensor(batches, lambda x: x[rows])
    cores = os.cpu_count() or 1
    batches = batches.map(load, num_parallel_calls=cores, deterministic=True)
    return batches.with_options(options)


def own_rows(
    batches: tf.data.Dataset, batch_size: int, share: Share
) -> tf.data.Dataset:
    """Batches of a share's rows, by whatever means a task makes its batches.

    Args:
        batches: made inside of `share_of`: by `in_parallel` of these rows, else whole.
        batch_size: of all processes together.
        share: which rows.
    """
    rows = share.rows(batch_size)
    count = rows.stop - rows.start
    specs = tf.nest.flatten(batches.element_spec)
    sizes = {spec.shape[0] if spec.shape.rank else None for spec in specs}
    if sizes == {count}:
        return batches
    if sizes == {batch_size}:
        logger.info(
            "every worker reads whole batches of this task, and takes its rows of them"
        )

    def cut(x: tf.Tensor) -> tf.Tensor:
        found = tf.shape(x)[0]
        own = found == count
        whole = tf.debugging.assert_equal(
            tf.where(own, batch_size, found),
            batch_size,
            f"a batch must have {batch_size} rows, or the {count} of a worker",
        )
        with tf.control_dependencies([whole]):
            first = tf.where(own, 0, rows.start)
        return tf.ensure_shape(x[first : first + count], (count, *x.shape[1:]))

    return _each_tensor(batches, cut)


def _each_tensor(batches: tf.data.Dataset, change: Callable) -> tf.data.Dataset:
    def of_batch(*batch: Any) -> Any:
        several = isinstance(batches.element_spec, tuple)
        return tf.nest.map_structure(change, batch if several else batch[0])

    return batches.map(of_batch)
