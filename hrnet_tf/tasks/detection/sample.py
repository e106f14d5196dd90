"""Sampling: which anchors and regions a detector learns from.

Source: Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497, section 3.1.3;
counts and order are those of MMDetection.
"""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from hrnet_tf.tasks.detection.assign import Rule, Truths, assign


@dataclass(frozen=True)
class Sampling:
    """How many are drawn.

    Attributes:
        total: of an image; fewer if there are not so many.
        share: of it that may be an object's; background fills what is missing.
    """

    total: int
    share: float

    @property
    def most_positive(self) -> int:
        """How many of an image may be an object's."""
        return int(self.total * self.share)


ANCHOR_SAMPLING = Sampling(256, 0.5)
BOX_SAMPLING = Sampling(512, 0.25)


class Sample(NamedTuple):
    """What was drawn, `(batch, total)` each: objects', then background, then nothing.

    Attributes:
        indices: int32, among what was drawn from, ascending in both parts; 0 where
            there is nothing.
        positive: bool, which belong to an object.
        real: bool, where there is something.
    """

    indices: tf.Tensor
    positive: tf.Tensor
    real: tf.Tensor


def sample(
    owners: tf.Tensor, sampling: Sampling, seed: tf.Tensor | None = None
) -> Sample:
    """Draw what is learnt from.

    Args:
        owners: int32 `(batch, n)`: above 0 for an object's, 0 for background, -1 for
            what is never drawn.
        sampling: how many.
        seed: int `(2,)` of all chance; None: those with the lowest indices are taken.

    Returns:
        See `Sample`.
    """
    count, total = tf.shape(owners)[1], sampling.total
    if seed is None:
        order = tf.cast(tf.broadcast_to(-tf.range(count), tf.shape(owners)), tf.float32)
    else:
        order = tf.random.stateless_uniform(tf.shape(owners), seed)
    positive, positives = _first(owners > 0, order, sampling.most_positive)
    negative, negatives = _first(owners == 0, order, total)
    taken = tf.reduce_sum(tf.cast(positives, tf.int32), axis=1, keepdims=True)
    negatives &= tf.range(total) < total - taken
    # Sorted with all negatives after all positives, and what is nothing after these.
    places = tf.concat(
        [
            tf.where(positives, positive, 2 * count),
            tf.where(negatives, negative + count, 2 * count),
        ],
        axis=1,
    )
    places = tf.sort(places, axis=1)[:, :total]
    real = places < 2 * count
    indices = tf.where(places < count, places, places - count)
    return Sample(tf.where(real, indices, 0), places < count, real)


def _first(
    wanted: tf.Tensor, order: tf.Tensor, most: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Indices of the wanted that come first, `(batch, most)`, and which are real."""
    lowest = order.dtype.min
    order = tf.pad(
        tf.where(wanted, order, lowest), [[0, 0], [0, most]], constant_values=lowest
    )
    values, indices = tf.math.top_k(order, most)
    return indices, values > lowest


class Rois(NamedTuple):
    """Regions that a head learns from, in the order of `Sample`.

    Attributes:
        boxes: float32 `(batch, total, 4)`: x1, y1, x2, y2 in pixels; 0 where there is
            nothing.
        labels: int32 `(batch, total)`: class, or as many as there are classes for
            background.
        owners: int32 `(batch, total)`: which object; 0 for background.
        targets: float32 `(batch, total, 4)`: the object's box; 0 for background.
        positive: bool `(batch, total)`, which belong to an object.
        given: bool `(batch, total)`, which are boxes of objects and not proposals.
        real: bool `(batch, total)`, where there is something.
    """

    boxes: tf.Tensor
    labels: tf.Tensor
    owners: tf.Tensor
    targets: tf.Tensor
    positive: tf.Tensor
    given: tf.Tensor
    real: tf.Tensor


@dataclass(frozen=True)
class Drawing:
    """How regions for a head are found among proposals.

    Attributes:
        rule: which overlaps count.
        sampling: how many are drawn.
        classes: of objects.
    """

    rule: Rule
    sampling: Sampling
    classes: int


def sample_rois(
    proposals: tf.Tensor,
    real: tf.Tensor,
    truths: Truths,
    drawing: Drawing,
    seed: tf.Tensor | None = None,
) -> Rois:
    """Draw regions among the objects' own boxes and then proposals.

    No gradient goes through it. Indices for what is drawn without chance are those of
    objects first, then proposals.

    Args:
        proposals: float32 `(batch, n, 4)`.
        real: bool `(batch, n)`, which of them are proposals.
        truths: the objects.
        drawing: how.
        seed: see `sample`.

    Returns:
        See `Rois`.
    """
    proposals = tf.stop_gradient(proposals)
    owners = assign(proposals, real, truths, drawing.rule).owners
    there = truths.labels >= 0
    places = tf.shape(there)[1]
    own = tf.where(there, tf.range(1, places + 1), -1)
    boxes = tf.concat([truths.boxes, proposals], axis=1)
    owners = tf.concat([own, owners], axis=1)
    drawn = sample(owners, drawing.sampling, seed)
    # One more object for those that have none, where there is no object at all.
    objects = tf.pad(truths.boxes, [[0, 0], [1, 0], [0, 0]])
    labels = tf.pad(truths.labels, [[0, 0], [1, 0]], constant_values=drawing.classes)
    owners = tf.gather(owners, drawn.indices, batch_dims=1)
    owners = tf.where(drawn.positive, owners, 0)
    boxes = tf.gather(boxes, drawn.indices, batch_dims=1)
    return Rois(
        tf.where(drawn.real[..., None], boxes, 0),
        tf.gather(labels, owners, batch_dims=1),
        tf.maximum(owners - 1, 0),
        tf.gather(objects, owners, batch_dims=1),
        drawn.positive,
        drawn.positive & (drawn.indices < places),
        drawn.real,
    )
