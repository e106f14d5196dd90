"""Boxes of encoded images inside graphs: any number an image, and the rule for them.

A batch has as many rows of boxes for each image; how many of them are real is said
beside them. What the others hold is never looked at.
"""

import tensorflow as tf

from hrnet_tf.images.in_graph import require
from hrnet_tf.images.limits import Limits


def real_rows(
    image_bytes: tf.Tensor, boxes: tf.Tensor, people: tf.Tensor, limits: Limits
) -> tf.Tensor:
    """Which boxes are real.

    Args:
        image_bytes: files, strings `(n,)`.
        boxes: float32 `(n, most, 4)`.
        people: int32 `(n,)`: how many of an image's boxes, from the first, are real.
        limits: what is refused.

    Returns:
        Boolean `(n, most)`. The graph fails with InvalidArgument if the three do not
        fit together, or there are too many.
    """
    counts = [tf.shape(x, tf.int64)[0] for x in (image_bytes, boxes, people)]
    most, people = tf.shape(boxes, tf.int64)[1], tf.cast(people, tf.int64)
    total = tf.reduce_sum(people)
    checks = [
        require(
            (counts[0] == counts[1]) & (counts[0] == counts[2]),
            "`image_bytes`, `boxes` and `people` must have one entry an image each, "
            "got {}, {} and {}.",
            *counts,
        ),
        require(
            tf.reduce_all((people >= 0) & (people <= most)),
            "`people` must say how many of the {} rows that an image has in `boxes` "
            "are real, got {}.",
            most,
            people,
        ),
        require(
            (total <= limits.people) & (most <= limits.people),
            f"A batch may hold {limits.people} people, got {{}} (and {{}} rows for "
            "each image); send fewer at a time.",
            *(total, most),
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.sequence_mask(people, most)


def placed_boxes(boxes: tf.Tensor, sizes: tf.Tensor, reach: float) -> tf.Tensor:
    """Boxes, if all of them keep to the rule: `boxes.check_boxes` of a whole batch.

    Args:
        boxes: float32 `(people, 4)`.
        sizes: height and width of each one's image, int32 `(people, 2)`.
        reach: see `Limits`.

    Returns:
        The boxes. The graph fails with InvalidArgument, which shows those that break
        the rule of `hrnet_tf.images.boxes`.
    """
    numbers = tf.cast(boxes, tf.float64)  # sums of two boxes' numbers are finite
    begin, end = numbers[:, :2], numbers[:, :2] + numbers[:, 2:]
    image = tf.cast(sizes[:, ::-1], tf.float64)
    has_area = tf.reduce_all(tf.math.is_finite(boxes), axis=-1)
    has_area &= tf.reduce_all(boxes[:, 2:] > 0, axis=-1)
    beyond = tf.reduce_max(tf.maximum(-begin, end - image), axis=-1)
    near = tf.reduce_all((begin < image) & (end > 0), axis=-1)
    near &= beyond <= reach * tf.reduce_max(image, axis=-1)
    checks = [
        require(
            tf.reduce_all(has_area),
            "`boxes` must be x, y, width, height with positive width and height, got "
            "{}.",
            tf.boolean_mask(boxes, ~has_area),
        ),
        require(
            tf.reduce_all(near),
            "`boxes` must cover some of their image and may reach beyond it by "
            f"{reach:g} times its longer side; got {{}} in images of {{}} (width, "
            "height).",
            *(tf.boolean_mask(x, ~near) for x in (boxes, sizes[:, ::-1])),
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(boxes)


def spread_rows(values: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """What holds for real rows, `(people, ...)`, as `(n, most, ...)`; zero elsewhere.

    Args:
        values: of the real rows.
        real: boolean `(n, most)`, see `real_rows`.
    """
    shape = tf.concat([tf.shape(real), tf.shape(values)[1:]], axis=0)
    places = tf.cast(tf.where(real), tf.int32)
    return tf.scatter_nd(places, values, shape)
