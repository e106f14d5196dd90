"""Proposals: where an object may be, from what the proposal head says of anchors.

Source: Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497, section 3.1; order
and numbers are those of MMDetection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from hrnet_tf.common.config import not_negative, positive, share
from hrnet_tf.tasks.detection.anchors import RATIOS, STRIDES, level_anchors
from hrnet_tf.tasks.detection.boxes import PROPOSAL_STDS, decode
from hrnet_tf.tasks.detection.suppression import NO_SCORE, NOT_REAL, suppress


@dataclass(frozen=True)
class Proposing:
    """How proposals are chosen.

    Attributes:
        before: the best of each level that suppression looks at.
        most: proposals an image.
        smallest: both sides of a proposal are longer, in pixels.
        overlap: a proposal goes if it shares more with a better one of its level.
    """

    before: int = 1000
    most: int = 1000
    smallest: float = 0.0
    overlap: float = 0.7

    def __post_init__(self):
        positive("proposals.before", self.before)
        positive("proposals.most", self.most)
        not_negative("proposals.smallest", self.smallest)
        share("proposals.overlap", self.overlap)


class Proposals(NamedTuple):
    """Where objects may be, the best first; what is beyond the counts is zero.

    Attributes:
        boxes: float32 `(batch, most, 4)`: x1, y1, x2, y2 in pixels.
        scores: float32 `(batch, most)`, 0 to 1.
        counts: int32 `(batch,)`.
    """

    boxes: tf.Tensor
    scores: tf.Tensor
    counts: tf.Tensor


def propose(
    objectness: Sequence[tf.Tensor],
    deltas: Sequence[tf.Tensor],
    sizes: tf.Tensor,
    settings: Proposing = Proposing(),
    strides: Sequence[int] = STRIDES,
) -> Proposals:
    """Choose proposals; no gradient goes through them.

    Args:
        objectness: logits of each level, `(batch, height, width, 3)`.
        deltas: of each level, `(batch, height, width, 3 * 4)`: those of an anchor
            follow each other.
        sizes: `(batch, 2)`: height and width of the images without padding, at which
            proposals are cut.
        settings: see `Proposing`.
        strides: of the levels.

    Returns:
        See `Proposals`.
    """
    boxes, logits = [], []
    for level in zip(objectness, deltas, strides, strict=True):
        best, values = _best_of_level(*level, sizes, settings)
        indices, counts = suppress(
            best, values, settings.most, settings.overlap, NO_SCORE
        )
        kept = tf.sequence_mask(counts, settings.most)
        values = tf.gather(values, indices, batch_dims=1)
        logits.append(tf.where(kept, values, NOT_REAL))
        boxes.append(tf.gather(best, indices, batch_dims=1))
    scores, order = tf.math.top_k(tf.concat(logits, axis=1), settings.most)
    real = scores > NO_SCORE
    found = tf.gather(tf.concat(boxes, axis=1), order, batch_dims=1)
    return Proposals(
        tf.where(real[..., None], found, 0),
        tf.where(real, tf.sigmoid(scores), 0),
        tf.reduce_sum(tf.cast(real, tf.int32), axis=1),
    )


def _best_of_level(
    objectness: tf.Tensor,
    deltas: tf.Tensor,
    stride: int,
    sizes: tf.Tensor,
    settings: Proposing,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Boxes `(batch, n, 4)` and logits `(batch, n)`; of what is no box, `NOT_REAL`."""
    shape = tf.shape(objectness) if None in objectness.shape else objectness.shape
    batch, height, width = shape[0], shape[1], shape[2]
    count = height * width * len(RATIOS)
    objectness = tf.stop_gradient(tf.cast(objectness, tf.float32))
    deltas = tf.stop_gradient(tf.cast(deltas, tf.float32))
    logits = tf.reshape(objectness, tf.stack([batch, count]))
    logits, order = tf.math.top_k(logits, tf.minimum(count, settings.before))
    anchors = tf.gather(level_anchors(height, width, stride), order)
    deltas = tf.reshape(deltas, tf.stack([batch, count, 4]))
    deltas = tf.gather(deltas, order, batch_dims=1)
    boxes = decode(anchors, deltas, PROPOSAL_STDS, sizes)
    large = tf.reduce_all(boxes[..., 2:] - boxes[..., :2] > settings.smallest, axis=-1)
    return boxes, tf.where(large, logits, NOT_REAL)
