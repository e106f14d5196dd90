"""Losses of two-stage detectors, normalised over all images of a batch together.

Each gives one number for a batch, or one for each level of the pyramid; they are means
over what was drawn. Under a strategy each device gives its part of the whole batch's:
these add up, as their gradients do.

Source: Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497, section 3.1.2;
Cai and Vasconcelos, Cascade R-CNN, https://arxiv.org/abs/1712.00726; He et al., Mask
R-CNN, https://arxiv.org/abs/1703.06870; weights and divisors are those of MMDetection.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from hrnet_tf.networks.replicas import total
from hrnet_tf.tasks.detection.assign import ANCHOR_RULE, Truths, assign
from hrnet_tf.tasks.detection.boxes import PROPOSAL_STDS, decode, encode
from hrnet_tf.tasks.detection.sample import (
    ANCHOR_SAMPLING,
    Rois,
    Sample,
    Sampling,
    sample,
)

# Where absolute errors turn into squared ones; 0: nowhere.
PROPOSAL_BETA, STAGE_PROPOSAL_BETA = 0.0, 1 / 9
BOX_BETA, STAGE_BETA = 0.0, 1.0
STAGE_WEIGHTS = (1.0, 0.5, 0.25)


def smooth_l1(errors: tf.Tensor, beta: float) -> tf.Tensor:
    """Absolute errors, below `beta` squared ones: `0.5 * error**2 / beta`."""
    size = tf.abs(errors)
    if not beta:
        return size
    return tf.where(size < beta, 0.5 * tf.square(size) / beta, size - 0.5 * beta)


class AnchorTargets(NamedTuple):
    """What a proposal head learns from.

    Attributes:
        drawn: which anchors.
        deltas: float32 `(batch, total, 4)`: what they should become; 0 for background.
    """

    drawn: Sample
    deltas: tf.Tensor


def anchor_targets(
    anchors: tf.Tensor,
    usable: tf.Tensor,
    truths: Truths,
    sampling: Sampling = ANCHOR_SAMPLING,
    seed: tf.Tensor | None = None,
) -> AnchorTargets:
    """Draw anchors and say what they should become.

    Args:
        anchors: float32 `(n, 4)`, of all levels one after the other.
        usable: bool `(batch, n)`, which of them count.
        truths: the objects.
        sampling: how many are drawn.
        seed: see `sample`.
    """
    owners = assign(anchors, usable, truths, ANCHOR_RULE).owners
    drawn = sample(owners, sampling, seed)
    owners = tf.gather(owners, drawn.indices, batch_dims=1)
    owners = tf.where(drawn.positive, owners, 0)
    objects = tf.pad(truths.boxes, [[0, 0], [1, 0], [0, 0]])
    targets = tf.gather(objects, owners, batch_dims=1)
    own = tf.gather(anchors, drawn.indices)
    return AnchorTargets(
        drawn, _wanted_deltas(own, targets, drawn.positive, PROPOSAL_STDS)
    )


def proposal_losses(
    objectness: Sequence[tf.Tensor],
    deltas: Sequence[tf.Tensor],
    targets: AnchorTargets,
    beta: float = PROPOSAL_BETA,
) -> tuple[tf.Tensor, tf.Tensor]:
    """How wrong a proposal head is.

    Args:
        objectness: logits of each level, `(batch, height, width, 3)`.
        deltas: of each level, `(batch, height, width, 3 * 4)`.
        targets: see `anchor_targets`.
        beta: see `smooth_l1`.

    Returns:
        Cross entropy of objectness and error of the deltas, float32 `(levels,)` each:
        what each level adds to the two losses.
    """
    batch = tf.shape(objectness[0])[0]
    logits = [tf.reshape(level, tf.stack([batch, -1])) for level in objectness]
    counts = tf.stack([tf.shape(level)[1] for level in logits])
    boxes = [tf.reshape(level, tf.stack([batch, -1, 4])) for level in deltas]
    drawn = targets.drawn
    found = tf.gather(tf.concat(logits, axis=1), drawn.indices, batch_dims=1)
    found = tf.cast(found, tf.float32)
    wanted = tf.cast(drawn.positive, tf.float32)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(wanted, found)
    entropy = tf.where(drawn.real, entropy, 0)
    moved = tf.gather(tf.concat(boxes, axis=1), drawn.indices, batch_dims=1)
    moved = tf.cast(moved, tf.float32)
    errors = tf.reduce_sum(smooth_l1(moved - targets.deltas, beta), axis=-1)
    errors = tf.where(drawn.positive, errors, 0)
    ends = tf.cumsum(counts)
    level = tf.reduce_sum(tf.cast(drawn.indices[..., None] >= ends, tf.int32), axis=-1)
    divisor = total(tf.cast(_count_drawn(drawn), tf.float32))

    def by_level(values: tf.Tensor) -> tf.Tensor:
        at = tf.one_hot(level, len(objectness), axis=0)
        return tf.reduce_sum(at * values, axis=(1, 2)) / divisor

    return by_level(entropy), by_level(errors)


def _count_drawn(drawn: Sample) -> tf.Tensor:
    """By what the losses of proposals are divided: at least 2 an image."""
    positive = tf.reduce_sum(tf.cast(drawn.positive, tf.int32), axis=1)
    negative = tf.reduce_sum(tf.cast(drawn.real & ~drawn.positive, tf.int32), axis=1)
    return tf.reduce_sum(tf.maximum(positive, 1) + tf.maximum(negative, 1))


class BoxLosses(NamedTuple):
    """How wrong a box head is, a number each.

    Attributes:
        classes: cross entropy.
        boxes: error of the deltas.
        accuracy: share of regions with the right class, background too, 0 to 1.
    """

    classes: tf.Tensor
    boxes: tf.Tensor
    accuracy: tf.Tensor


def box_losses(
    logits: tf.Tensor,
    deltas: tf.Tensor,
    rois: Rois,
    stds: Sequence[float],
    beta: float = BOX_BETA,
) -> BoxLosses:
    """How wrong a box head is; without weights of stages.

    Args:
        logits: `(batch, total, classes + 1)`, background last.
        deltas: `(batch, total, classes * 4)`, or `(batch, total, 4)` for all classes.
        rois: what it should say.
        stds: by which deltas are scaled.
        beta: see `smooth_l1`.

    Returns:
        See `BoxLosses`; 0 where nothing was drawn.
    """
    logits, deltas = tf.cast(logits, tf.float32), tf.cast(deltas, tf.float32)
    real = tf.cast(rois.real, tf.float32)
    divisor = tf.maximum(total(tf.reduce_sum(real)), 1)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(rois.labels, logits)
    kinds = deltas.shape[-1] // 4
    if kinds > 1:
        shape = tf.stack([*tf.unstack(tf.shape(deltas)[:2]), kinds, 4])
        label = tf.minimum(rois.labels, kinds - 1)
        deltas = tf.gather(tf.reshape(deltas, shape), label, batch_dims=2)
    wanted = _wanted_deltas(rois.boxes, rois.targets, rois.positive, stds)
    errors = tf.reduce_sum(smooth_l1(deltas - wanted, beta), axis=-1)
    errors = tf.where(rois.positive, errors, 0)
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    right = tf.cast(best == rois.labels, tf.float32)
    return BoxLosses(
        tf.reduce_sum(entropy * real) / divisor,
        tf.reduce_sum(errors) / divisor,
        tf.reduce_sum(right * real) / divisor,
    )


def refined_rois(
    rois: Rois, deltas: tf.Tensor, stds: Sequence[float], sizes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """What a stage of a cascade hands to the next one in training.

    Args:
        rois: what the stage learnt from.
        deltas: its answers, `(batch, total, 4)`.
        stds: by which they are scaled.
        sizes: `(batch, 2)`: height and width of the images without padding.

    Returns:
        Proposals, float32 `(batch, total, 4)`, without gradient; and which of them are
        real, bool `(batch, total)`: not those that came from the objects' own boxes.
    """
    deltas = tf.cast(tf.stop_gradient(deltas), tf.float32)
    boxes = decode(rois.boxes, deltas, stds, sizes)
    return boxes, rois.real & ~rois.given


def mask_loss(
    logits: tf.Tensor, targets: tf.Tensor, labels: tf.Tensor, real: tf.Tensor
) -> tf.Tensor:
    """How wrong a mask head is: mean cross entropy of the pixels of the right class.

    Args:
        logits: `(..., side, side, classes)`.
        targets: 0 or 1, `(..., side, side)`.
        labels: int32 `(...)`; what stands where there is no region does not matter.
        real: bool `(...)`, where there is a region.

    Returns:
        A number; 0 where there is no region.
    """
    logits = tf.cast(logits, tf.float32)
    chosen = tf.clip_by_value(labels, 0, logits.shape[-1] - 1)
    at = tf.one_hot(chosen, logits.shape[-1])[..., None, None, :]
    own = tf.reduce_sum(logits * at, axis=-1)
    wanted = tf.cast(targets, tf.float32)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(wanted, own)
    entropy = tf.reduce_mean(entropy, axis=(-2, -1))
    count = total(tf.reduce_sum(tf.cast(real, tf.float32)))
    return tf.reduce_sum(tf.where(real, entropy, 0)) / tf.maximum(count, 1)


def _wanted_deltas(
    boxes: tf.Tensor, targets: tf.Tensor, positive: tf.Tensor, stds: Sequence[float]
) -> tf.Tensor:
    """Deltas from boxes to targets; 0 where there is no target."""
    unit = tf.constant([0.0, 0.0, 1.0, 1.0])  # of which numbers are finite
    boxes = tf.where(positive[..., None], boxes, unit)
    targets = tf.where(positive[..., None], targets, unit)
    return encode(boxes, targets, stds)
