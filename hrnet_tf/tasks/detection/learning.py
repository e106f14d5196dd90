"""A training step of a detector: targets are drawn, heads answer, losses by name.

Source: the papers of `hrnet_tf.tasks.detection.heads`; numbers, order and names of the
losses are those of MMDetection.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from hrnet_tf.common.config import positive
from hrnet_tf.tasks.detection.anchors import (
    STRIDES,
    inside,
    level_anchors,
    valid_anchors,
)
from hrnet_tf.tasks.detection.assign import (
    BOX_RULE,
    MASKED_BOX_RULE,
    STAGE_RULES,
    Rule,
    Truths,
)
from hrnet_tf.tasks.detection.boxes import STAGE_STDS
from hrnet_tf.tasks.detection.config import LEAST_DRAWN, at_least
from hrnet_tf.tasks.detection.heads import BOX_SIDE, MASK_SIDE, Heads
from hrnet_tf.tasks.detection.layers import by_image, crop
from hrnet_tf.tasks.detection.losses import (
    BOX_BETA,
    PROPOSAL_BETA,
    STAGE_BETA,
    STAGE_PROPOSAL_BETA,
    STAGE_WEIGHTS,
    anchor_targets,
    box_losses,
    mask_loss,
    proposal_losses,
    refined_rois,
)
from hrnet_tf.tasks.detection.masks import mask_targets
from hrnet_tf.tasks.detection.proposals import Proposing, propose
from hrnet_tf.tasks.detection.roi_align import STRIDES as CROPPED
from hrnet_tf.tasks.detection.sample import (
    ANCHOR_SAMPLING,
    BOX_SAMPLING,
    Drawing,
    Rois,
    Sampling,
    sample_rois,
)

MULTIPLE = 32  # to which each image is padded; anchors beyond are not learnt from
LENGTHS = 8  # heads are given so many different numbers of regions


@dataclass(frozen=True)
class Learning:
    """Numbers of a detector's training.

    Attributes:
        before: the best of each level that are looked at for proposals.
        proposals: an image, from which regions are drawn.
        anchors: drawn of an image.
        regions: drawn of an image, for each stage.
        border: pixels by which anchors may reach beyond the image; negative: as many as
            they like.
        rescue: whether each object has a region, however little it shares with it.
    """

    before: int = 2000
    proposals: int = 1000
    anchors: int = ANCHOR_SAMPLING.total
    regions: int = BOX_SAMPLING.total
    border: int = -1
    rescue: bool = False

    def __post_init__(self):
        positive("learning.before", self.before)
        positive("learning.proposals", self.proposals)
        for name, least in LEAST_DRAWN.items():
            at_least(f"learning.{name}", least, getattr(self, name))

    @classmethod
    def published(cls, cascade: bool, masks: bool) -> "Learning":
        """As the published detectors of this kind have learnt."""
        if cascade:
            return cls(proposals=2000, border=0)
        return cls(rescue=masks)


class Step(NamedTuple):
    """What a training step knows.

    Attributes:
        heads: layers that learn.
        learning: its numbers.
        features: lists of `levels`, `objectness` and `deltas`; see
            `hrnet_tf.tasks.detection.detector.Parts.features`.
        sizes: `(batch, 2)`: height and width of the images without padding.
        truths: the objects; crowds are none.
        masks: of the objects, `(batch, m, height, width)`; None: they have none.
    """

    heads: Heads
    learning: Learning
    features: Mapping[str, Sequence[tf.Tensor]]
    sizes: tf.Tensor
    truths: Truths
    masks: tf.Tensor | None

    @property
    def classes(self) -> int:
        """How many there are, without the background."""
        return self.heads.boxes[0].logits.units - 1

    def rules(self) -> tuple[Rule, ...]:
        """Which overlaps count, for each stage."""
        if self.heads.cascade:
            return STAGE_RULES
        return (MASKED_BOX_RULE if self.learning.rescue else BOX_RULE,)


def names_of_losses(heads: Heads) -> list[str]:
    """What a detector's losses are called, and the share of right classes."""
    of_stage = ["loss_cls", "loss_bbox", *["loss_mask"] * bool(heads.masks), "acc"]
    prefixes = _prefixes(heads)
    return [
        "loss_rpn_cls",
        "loss_rpn_bbox",
        *(f"{prefix}{name}" for prefix in prefixes for name in of_stage),
    ]


def learn(
    heads: Heads,
    learning: Learning,
    features: Mapping[str, Sequence[tf.Tensor]],
    sizes: tf.Tensor,
    targets: Mapping[str, Any],
) -> dict[str, tf.Tensor]:
    """How wrong a detector is.

    Args:
        heads: its heads.
        learning: numbers of the training.
        features: lists of `levels`, `objectness` and `deltas`.
        sizes: `(batch, 2)`: height and width of the images without padding.
        targets: what `hrnet_tf.HRNetDetector` learns from. Crowds are no objects, and
            what is in them is background.

    Returns:
        What this device adds to each of the losses, by the names of
        `names_of_losses`; and `acc`, likewise, the share of regions with the right
        class, in percent.
    """
    labels = tf.cast(targets["labels"], tf.int32)
    if "crowds" in targets:
        labels = tf.where(tf.cast(targets["crowds"], tf.bool), -1, labels)
    truths = Truths(tf.cast(targets["boxes"], tf.float32), labels)
    masks = targets["masks"] if heads.masks else None
    step = Step(heads, learning, features, sizes, truths, masks)
    message = f"labels must be below the number of classes, {step.classes}"
    most = tf.cast(step.classes, labels.dtype)
    with tf.control_dependencies([tf.debugging.assert_less(labels, most, message)]):
        return dict([*_of_proposals(step), *_of_stages(step)])


def _of_proposals(step: Step) -> Iterator[tuple[str, tf.Tensor]]:
    objectness, deltas = step.features["objectness"], step.features["deltas"]
    padded = -(-step.sizes // MULTIPLE) * MULTIPLE
    anchors, valid = [], []
    for level, stride in zip(objectness, STRIDES, strict=True):
        height, width = tf.unstack(tf.shape(level)[1:3])
        anchors.append(level_anchors(height, width, stride))
        valid.append(valid_anchors(height, width, stride, padded))
    every = tf.concat(anchors, axis=0)
    usable = tf.concat(valid, axis=1)
    usable &= inside(every, step.sizes, step.learning.border)
    sampling = Sampling(step.learning.anchors, ANCHOR_SAMPLING.share)
    targets = anchor_targets(every, usable, step.truths, sampling, _chance(step, 0))
    beta = STAGE_PROPOSAL_BETA if step.heads.cascade else PROPOSAL_BETA
    classes, boxes = proposal_losses(objectness, deltas, targets, beta)
    yield "loss_rpn_cls", tf.reduce_sum(classes)
    yield "loss_rpn_bbox", tf.reduce_sum(boxes)


def _of_stages(step: Step) -> Iterator[tuple[str, tf.Tensor]]:
    heads, most = step.heads, step.learning.proposals
    proposals = propose(
        step.features["objectness"],
        step.features["deltas"],
        step.sizes,
        Proposing(step.learning.before, most),
    )
    boxes, real = proposals.boxes, tf.sequence_mask(proposals.counts, most)
    sampling = Sampling(step.learning.regions, BOX_SAMPLING.share)
    beta = STAGE_BETA if heads.cascade else BOX_BETA
    for stage, (prefix, rule) in enumerate(
        zip(_prefixes(heads), step.rules(), strict=True)
    ):
        weight, stds = STAGE_WEIGHTS[stage], STAGE_STDS[stage]
        drawing = Drawing(rule, sampling, step.classes)
        rois = sample_rois(boxes, real, step.truths, drawing, _chance(step, 1 + stage))
        rois = _used(rois, rois.real, sampling.total)
        crops = crop(step.features["levels"][: len(CROPPED)], rois.boxes, BOX_SIDE)
        logits, deltas = (by_image(x, rois.labels) for x in heads.boxes[stage](crops))
        found = box_losses(logits, deltas, rois, stds, beta)
        yield f"{prefix}loss_cls", weight * found.classes
        yield f"{prefix}loss_bbox", weight * found.boxes
        yield f"{prefix}acc", 100 * found.accuracy
        if heads.masks:
            loss = _of_masks(step, stage, rois, sampling.most_positive)
            yield f"{prefix}loss_mask", weight * loss
        if heads.cascade:
            boxes, real = refined_rois(rois, deltas, stds, step.sizes)


def _of_masks(step: Step, stage: int, rois: Rois, most: int) -> tf.Tensor:
    """How wrong a mask head is, of the objects' regions, which come first."""
    rois = _used(rois, rois.positive, most)
    crops = crop(step.features["levels"][: len(CROPPED)], rois.boxes, MASK_SIDE)
    logits = by_image(step.heads.masks[stage](crops), rois.labels)
    targets = mask_targets(step.masks, rois.boxes, rois.owners)
    return mask_loss(logits, targets, rois.labels, rois.positive)


def _used(rois: Rois, wanted: tf.Tensor, most: int) -> Rois:
    """Regions up to the last place that is wanted in any image: heads are expensive.

    Lengths are rounded up to an eighth of the most there can be, since a GPU looks for
    the best algorithm once for each.

    Args:
        rois: wanted ones come first.
        wanted: `(batch, n)`.
        most: of an image that can be wanted.
    """
    grain = -(-most // LENGTHS)
    count = tf.reduce_max(tf.reduce_sum(tf.cast(wanted, tf.int32), axis=1))
    count = tf.clip_by_value(-(-count // grain) * grain, grain, most)
    return Rois(*(values[:, :count] for values in rois))


def _prefixes(heads: Heads) -> list[str]:
    if not heads.cascade:
        return [""]
    return [f"s{stage}." for stage in range(len(heads.boxes))]


def _chance(step: Step, use: int) -> tf.Tensor:
    """A seed for one use of chance, which is another one in each step.

    It comes of what the network answers, which is never the same while it learns. What
    `tf.random` draws depends on how many steps the process has had: a training that is
    interrupted would not end as one that is not.
    """
    levels = [tf.cast(level, tf.float32) for level in step.features["objectness"]]
    total = tf.add_n([tf.reduce_sum(level) for level in levels])
    return tf.stack([tf.bitcast(tf.stop_gradient(total), tf.int32), use])
