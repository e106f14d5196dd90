"""Suppression: of boxes that lie on one another, the best one stays.

A box goes where it shares more than a limit with a better one that stays; strictly
more, and of equal scores the first is the better one. Boxes of other classes do not
count: they are moved apart, into a field of a grid for each class. A grid keeps numbers
small: in a row of 80 classes float32 would round boxes to a hundredth of a pixel.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from hrnet_tf.common.config import positive, share
from hrnet_tf.tasks.detection.boxes import decode
from hrnet_tf.tasks.detection.manifest import LEAST

NOT_REAL = -1e9  # score of what is no box
NO_SCORE = NOT_REAL / 2  # real ones are above
UNROLLED = 8  # batches of so many images need no loop, if it is known


@dataclass(frozen=True)
class Detecting:
    """What becomes of answers of a box head.

    Attributes:
        least: scores must be higher.
        overlap: boxes of a class go if they share more with a better one.
        most: boxes an image.
    """

    least: float = LEAST
    overlap: float = 0.5
    most: int = 100

    def __post_init__(self):
        share("detections.least", self.least)
        share("detections.overlap", self.overlap)
        positive("detections.most", self.most)


class Detections(NamedTuple):
    """What was found, the best first; what is beyond the counts is zero.

    Attributes:
        boxes: float32 `(batch, most, 4)`: x1, y1, x2, y2 in pixels.
        scores: float32 `(batch, most)`, 0 to 1.
        labels: int32 `(batch, most)`, from 0; -1 beyond the counts.
        counts: int32 `(batch,)`.
    """

    boxes: tf.Tensor
    scores: tf.Tensor
    labels: tf.Tensor
    counts: tf.Tensor


def suppress(
    boxes: tf.Tensor, scores: tf.Tensor, most: int, overlap: float, least: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Which boxes stay.

    Args:
        boxes: float32 `(batch, n, 4)`.
        scores: float32 `(batch, n)`.
        most: how many may stay.
        overlap: what two that stay share at most, 0 to 1.
        least: scores must be higher.

    Returns:
        Indices, int32 `(batch, most)`, the best first, 0 where there is none; and how
        many there are, int32 `(batch,)`.
    """
    count = boxes.shape[1]
    asked = most if count is None else min(most, count)  # XLA wants no more

    def best(of: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        indices, real = tf.raw_ops.NonMaxSuppressionV4(
            boxes=of[0],
            scores=of[1],
            max_output_size=asked,
            iou_threshold=overlap,
            score_threshold=least,
            pad_to_max_output_size=True,
        )
        return [tf.pad(indices, [[0, most - asked]]), real]

    indices, counts = each_image(
        best,
        [boxes, scores],
        [tf.TensorSpec((most,), tf.int32), tf.TensorSpec((), tf.int32)],
    )
    return indices, counts


def each_image(
    function: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]],
    tensors: Sequence[tf.Tensor],
    answers: Sequence[tf.TensorSpec],
) -> list[tf.Tensor]:
    """What a function of one image's tensors says of each image of a batch.

    Args:
        function: takes the tensors without their first axis, and gives tensors.
        tensors: `(batch, ...)` each.
        answers: what it gives.

    Returns:
        Its answers, `(batch, ...)` each.
    """
    batch = tensors[0].shape[0]
    if batch is not None and batch <= UNROLLED:
        found = [function([t[image] for t in tensors]) for image in range(batch)]
        return [tf.stack(of_all) for of_all in zip(*found, strict=True)]
    return tf.map_fn(function, list(tensors), fn_output_signature=list(answers))


def suppress_by_class(
    boxes: tf.Tensor, scores: tf.Tensor, settings: Detecting
) -> Detections:
    """The best boxes of all classes, where boxes of one class do not lie on each other.

    Args:
        boxes: float32 `(batch, n, classes, 4)`, or `(batch, n, 1, 4)` if a box is
            the same for each class; no number is negative.
        scores: float32 `(batch, n, classes)`, 0 to 1.
        settings: see `Detecting`.

    Returns:
        See `Detections`.
    """
    count, classes = tf.shape(scores)[1], scores.shape[2]
    across = math.ceil(math.sqrt(classes))
    field = tf.range(classes)
    corner = tf.cast(tf.stack([field % across, field // across], axis=-1), boxes.dtype)
    side = tf.reduce_max(boxes, axis=(1, 2, 3), keepdims=True) + 1
    apart = boxes + side * tf.tile(corner, (1, 2))
    batch = tf.shape(scores)[0]
    indices, counts = suppress(
        tf.reshape(apart, tf.stack([batch, count * classes, 4])),
        tf.reshape(scores, tf.stack([batch, count * classes])),
        settings.most,
        settings.overlap,
        settings.least,
    )
    real = tf.sequence_mask(counts, settings.most)
    labels = tf.where(real, indices % classes, -1)
    kinds = boxes.shape[2]  # of boxes: as many as classes, or one
    places = indices if kinds == classes else indices // classes
    boxes = tf.reshape(boxes, tf.stack([batch, count * kinds, 4]))
    boxes = tf.gather(boxes, places, batch_dims=1)
    scores = tf.reshape(scores, tf.stack([batch, count * classes]))
    scores = tf.gather(scores, indices, batch_dims=1)
    return Detections(
        tf.where(real[..., None], boxes, 0), tf.where(real, scores, 0), labels, counts
    )


class Answers(NamedTuple):
    """What a box head says of regions.

    Attributes:
        rois: float32 `(batch, n, 4)`: the regions, in pixels of the resized image.
        real: bool `(batch, n)`: which of them are regions.
        logits: float32 `(batch, n, classes + 1)`, background last.
        deltas: float32 `(batch, n, classes * 4)`, or `(batch, n, 4)` for all classes.
    """

    rois: tf.Tensor
    real: tf.Tensor
    logits: tf.Tensor
    deltas: tf.Tensor


def detect(
    answers: Answers,
    stds: Sequence[float],
    sizes: tf.Tensor,
    scales: tf.Tensor | None = None,
    settings: Detecting = Detecting(),
) -> Detections:
    """What a box head found.

    Args:
        answers: see `Answers`. Those of a cascade are its last stage's regions and
            deltas with the mean of all stages' logits.
        stds: by which the head's deltas are scaled.
        sizes: `(batch, 2)`: height and width of the resized images, without padding.
        scales: float32 `(batch, 2)`: by what height and width were resized; boxes are
            divided by it before suppression. None: boxes stay in the resized image.
        settings: see `Detecting`.

    Returns:
        See `Detections`.
    """
    scores = tf.nn.softmax(answers.logits)[..., :-1]
    scores = tf.where(answers.real[..., None], scores, 0)
    kinds = answers.deltas.shape[-1] // 4
    shape = tf.stack([*tf.unstack(tf.shape(answers.rois)[:2]), kinds, 4])
    deltas = tf.reshape(answers.deltas, shape)
    boxes = decode(answers.rois[:, :, None], deltas, stds, sizes)
    if scales is not None:
        scales = tf.cast(scales, boxes.dtype)[:, ::-1]
        boxes /= tf.concat([scales, scales], axis=-1)[:, None, None]
    return suppress_by_class(boxes, scores, settings)
