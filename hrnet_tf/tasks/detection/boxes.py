"""Boxes: how much they share, and the deltas by which one becomes another.

A box is x1, y1, x2, y2 in pixels, its width is x2 - x1; a delta is dx, dy, dw, dh. All
is float32: in float16 boxes beyond 1024 pixels lose whole pixels.

Source: Girshick et al., https://arxiv.org/abs/1311.2524, appendix C; the order of the
arithmetic and the limits are those of MMDetection.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

# Of how a delta is scaled: proposals, box head, stages of the cascade.
PROPOSAL_STDS = (1.0, 1.0, 1.0, 1.0)
BOX_STDS = (0.1, 0.1, 0.2, 0.2)
STAGE_STDS = (BOX_STDS, (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067))

LEAST_UNION = 1e-6  # what an intersection is divided by, at least
LARGEST_GROWTH = abs(math.log(16 / 1000))  # of ln(width), up or down


def box_areas(boxes: tf.Tensor) -> tf.Tensor:
    """Areas of boxes `(..., 4)`: `(...)` in square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_overlaps(a: tf.Tensor, b: tf.Tensor, of_first: bool = False) -> tf.Tensor:
    """How much of each pair of boxes is shared.

    Equal pairs have equal overlaps to the last bit, whatever else is among them; what
    is compared for equality must give the same boxes as `a`.

    Args:
        a: float32 `(..., n, 4)`.
        b: float32 `(..., m, 4)`.
        of_first: divide the shared area by that of the first box, not of both together.

    Returns:
        float32 `(..., n, m)`, 0 to 1; 0 for boxes without area.
    """
    a, b = a[..., :, None, :], b[..., None, :, :]
    # Each coordinate by itself: pairs of numbers in a row are what CPUs are slow with.
    sides = [
        tf.maximum(
            tf.minimum(a[..., end], b[..., end])
            - tf.maximum(a[..., begin], b[..., begin]),
            0,
        )
        for begin, end in ((0, 2), (1, 3))
    ]
    shared = sides[0] * sides[1]
    if of_first:
        whole = tf.broadcast_to(box_areas(a), tf.shape(shared))
    else:
        whole = box_areas(a) + box_areas(b) - shared
    return shared / tf.maximum(whole, LEAST_UNION)


def encode(
    proposals: tf.Tensor, targets: tf.Tensor, stds: Sequence[float]
) -> tf.Tensor:
    """The deltas that make targets of proposals.

    Args:
        proposals: float32 `(..., 4)`, of positive sides.
        targets: float32 of a shape that fits, of positive sides.
        stds: what each of the four numbers is divided by.

    Returns:
        float32 `(..., 4)`: dx, dy, dw, dh.
    """
    middles, sides = _middles_and_sides(proposals)
    wanted_middles, wanted_sides = _middles_and_sides(targets)
    shifts = (wanted_middles - middles) / sides
    deltas = tf.concat([shifts, tf.math.log(wanted_sides / sides)], axis=-1)
    return deltas / tf.constant(stds, deltas.dtype)


def decode(
    proposals: tf.Tensor,
    deltas: tf.Tensor,
    stds: Sequence[float],
    sizes: tf.Tensor | None = None,
) -> tf.Tensor:
    """What deltas make of proposals.

    Args:
        proposals: float32 `(..., 4)`.
        deltas: float32 of a shape that fits; a side grows or shrinks by 62.5 at most.
        stds: what each of the four numbers is multiplied by.
        sizes: `(batch, 2)`: height and width of the images to whose borders boxes are
            cut; the boxes' first axis is then the batch. None: they are not.

    Returns:
        float32 `(..., 4)`: boxes.

    Example:
        ```python
        deltas = tf.reshape(deltas, (batch, rois, classes, 4))  # of each class its own
        boxes = decode(rois[:, :, None], deltas, BOX_STDS, sizes)
        ```
    """
    deltas = deltas * tf.constant(stds, deltas.dtype)
    middles, sides = _middles_and_sides(proposals)
    middles += sides * deltas[..., :2]
    growth = tf.clip_by_value(deltas[..., 2:], -LARGEST_GROWTH, LARGEST_GROWTH)
    halves = sides * tf.exp(growth) * 0.5
    boxes = tf.concat([middles - halves, middles + halves], axis=-1)
    return boxes if sizes is None else clip(boxes, sizes)


def clip(boxes: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Cut boxes at the borders of their images.

    Args:
        boxes: float32 `(batch, ..., 4)`.
        sizes: `(batch, 2)`: height and width of the images.

    Returns:
        Boxes of the same shape; those that lie beyond have no area.
    """
    limits = tf.cast(sizes, boxes.dtype)[:, ::-1]
    limits = tf.concat([limits, limits], axis=-1)
    for _ in range(boxes.shape.rank - 2):
        limits = limits[:, None]
    return tf.minimum(tf.maximum(boxes, 0), limits)


def _middles_and_sides(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    begin, end = boxes[..., :2], boxes[..., 2:]
    return (begin + end) * 0.5, end - begin
