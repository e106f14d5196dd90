"""Assignment: to which object each anchor or region belongs.

Source: Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497, section 3.1.2; order
of comparisons and ties are those of MMDetection, in float32.
"""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from hrnet_tf.tasks.detection.boxes import box_overlaps

IGNORED = -1  # neither an object nor background
TOGETHER = 16  # at most so many objects are compared at once: memory is bounded


@dataclass(frozen=True)
class Rule:
    """Which overlaps make a box an object's.

    Attributes:
        positive: a box belongs to the object that it shares most with, if that is as
            much as this.
        negative: a box is background if it shares less than this with all objects.
        rescue: the boxes that an object shares most with, all that share equally much,
            are its own, if that is as much as this; a later object takes them from an
            earlier one. None: not so.
        ignored: boxes of which a larger share lies in an ignored region are neither
            objects nor background. None: such regions mean nothing.
    """

    positive: float = 0.5
    negative: float = 0.5
    rescue: float | None = None
    ignored: float | None = None


ANCHOR_RULE = Rule(0.7, 0.3, rescue=0.3)
BOX_RULE = Rule()
MASKED_BOX_RULE = Rule(rescue=0.5)  # of the box head of Mask R-CNN
STAGE_RULES = (Rule(), Rule(0.6, 0.6), Rule(0.7, 0.7))


class Truths(NamedTuple):
    """The objects of a batch.

    Attributes:
        boxes: float32 `(batch, m, 4)`: x1, y1, x2, y2 in pixels.
        labels: int32 `(batch, m)`; -1 where there is no object. Objects need not come
            first.
        crowds: float32 `(batch, c, 4)`: ignored regions, without area where there is
            none; None: there are none.
    """

    boxes: tf.Tensor
    labels: tf.Tensor
    crowds: tf.Tensor | None = None


class Assigned(NamedTuple):
    """To what boxes belong.

    Attributes:
        owners: int32 `(batch, n)`: 0 for background, k + 1 for object k, -1 for boxes
            that do not count.
        overlaps: float32 `(batch, n)`: what each shares with the object that it shares
            most with, 0 to 1; -1 for boxes in ignored regions.
    """

    owners: tf.Tensor
    overlaps: tf.Tensor


def assign(boxes: tf.Tensor, real: tf.Tensor, truths: Truths, rule: Rule) -> Assigned:
    """Find the owners of boxes; no gradient goes through it.

    Args:
        boxes: float32 `(batch, n, 4)`, or `(n, 4)` if they are the same in each image.
        real: bool `(batch, n)`; the others belong to nothing and take nothing away.
        truths: see `Truths`.
        rule: see `Rule`.

    Returns:
        See `Assigned`.
    """
    boxes = tf.stop_gradient(boxes)
    if rule.ignored is not None and truths.crowds is not None:
        shares = box_overlaps(boxes, truths.crowds, of_first=True)
        shares = tf.pad(shares, [[0, 0], [0, 0], [0, 1]])  # there may be no crowd
        real &= tf.reduce_max(shares, axis=-1) <= rule.ignored
    best, owner, rescued = _compare(boxes, real, truths, rule)
    owners = tf.where(best >= rule.positive, owner, IGNORED)
    owners = tf.where(best < rule.negative, 0, owners)
    owners = tf.where(rescued > 0, rescued, owners)
    return Assigned(tf.where(real, owners, IGNORED), tf.where(real, best, -1.0))


def _compare(
    boxes: tf.Tensor, real: tf.Tensor, truths: Truths, rule: Rule
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Compare boxes with some objects at a time.

    Returns:
        The largest overlap of each box, `(batch, n)`; with which object, from 1; and
        which object rescues it, from 1, or 0.
    """
    batch, most = tf.unstack(tf.shape(truths.labels))
    together = tf.clip_by_value(most, 1, TOGETHER)
    rounds = -(-most // together)
    missing = [[0, 0], [0, rounds * together - most]]
    labels = tf.pad(truths.labels, missing, constant_values=-1)
    objects = tf.pad(tf.stop_gradient(truths.boxes), [*missing, [0, 0]])

    def compare(round_, best, owner, rescued):
        start = round_ * together
        some = tf.slice(objects, [0, start, 0], [batch, together, 4])
        there = tf.slice(labels, [0, start], [batch, together]) >= 0
        numbers = start + tf.range(1, together + 1)[:, None]
        shared = box_overlaps(some, boxes)
        shared = tf.where(there[..., None] & real[:, None], shared, -1)
        largest = tf.reduce_max(shared, axis=1)
        # The first of equals: what `argmax` says of them is not promised.
        first = tf.where(shared == largest[:, None], numbers, most + TOGETHER)
        owner = tf.where(largest > best, tf.reduce_min(first, axis=1), owner)
        best = tf.maximum(best, largest)
        if rule.rescue is not None:
            own = tf.reduce_max(shared, axis=2, keepdims=True)
            taken = (shared == own) & (own >= rule.rescue)
            rescued = tf.maximum(
                rescued, tf.reduce_max(tf.where(taken, numbers, 0), axis=1)
            )
        return round_ + 1, best, owner, rescued

    nothing = tf.zeros_like(real, tf.int32)
    start = (0, tf.zeros_like(real, tf.float32), nothing + 1, nothing)
    return tf.while_loop(lambda round_, *_: round_ < rounds, compare, start)[1:]
