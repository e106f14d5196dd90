"""Maps to segments, inside a graph: centres, the thing of each pixel, its class.

Source: Cheng et al., https://arxiv.org/abs/1911.10194, section 3.2. `decoder.py` is the
same in NumPy, for those who have nothing else.
"""

from collections.abc import Sequence

import tensorflow as tf

from hrnet_tf.tasks.panoptic.manifest import Grouping
from hrnet_tf.tasks.panoptic.segments import DIVISOR, VOID


def group(
    scores: tf.Tensor,
    centers: tf.Tensor,
    offsets: tf.Tensor,
    things: Sequence[bool],
    grouping: Grouping,
) -> tf.Tensor:
    """The segments of one image.

    Each pixel whose likeliest class is a thing's belongs to the centre that is nearest
    to where its offset leads; all pixels of a centre get the class that most of them
    have. Things without any centre, and stuff of too few pixels, are void.

    Args:
        scores: of each class, float32 `(height, width, classes)`.
        centers: the heatmap, float32 `(height, width)`.
        offsets: from each pixel to the centre of its thing, down and right, in pixels,
            float32 `(height, width, 2)`.
        things: whether each class has instances.
        grouping: thresholds and limits.

    Returns:
        int32 `(height, width)`: `class * 1000 + number`, see `segments`; things of a
        class are numbered in the order of their centres, row by row.
    """
    labels = tf.argmax(scores, axis=-1, output_type=tf.int32)
    are_things = tf.gather(tf.constant(list(things)), labels)
    found = find_centers(centers, grouping)
    count = tf.shape(found)[0]
    places = tf.where(are_things)  # row and column of each pixel of a thing
    owners = _nearest(
        tf.cast(places, tf.float32) + tf.boolean_mask(offsets, are_things), found
    )
    own = tf.boolean_mask(labels, are_things)
    values = _voted(own, owners, count, len(things))
    stuff = _large_stuff(tf.where(are_things, -1, labels), len(things), grouping)
    return tf.tensor_scatter_nd_update(stuff, places, values)


def find_centers(heatmap: tf.Tensor, grouping: Grouping) -> tf.Tensor:
    """The highest places of a heatmap, float32 `(centres, 2)`: row and column."""
    window, width = grouping.window, tf.shape(heatmap)[1]
    around = tf.nn.max_pool2d(heatmap[None, ..., None], window, 1, "SAME")[0, ..., 0]
    highest = (heatmap > grouping.threshold) & (heatmap >= around)
    flat = tf.reshape(tf.where(highest, heatmap, float("-inf")), (-1,))
    most = tf.minimum(grouping.most, tf.size(flat))
    heights, places = tf.math.top_k(flat, most)
    places = tf.sort(tf.boolean_mask(places, tf.math.is_finite(heights)))
    return tf.cast(tf.stack([places // width, places % width], axis=-1), tf.float32)


def _nearest(places: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
    """The centre nearest to each place, the first of equal ones; one after the other.

    All distances at once would take gigabytes.
    """
    best = tf.fill((tf.shape(places)[0],), float("inf"))

    def closer(number, best, owners):
        apart = tf.reduce_sum(tf.square(places - centers[number]), axis=-1)
        nearer = apart < best
        return (
            number + 1,
            tf.where(nearer, apart, best),
            tf.where(nearer, number, owners),
        )

    _, _, owners = tf.while_loop(
        lambda number, *_: number < tf.shape(centers)[0],
        closer,
        (0, best, tf.fill(tf.shape(best), -1)),
        shape_invariants=(
            tf.TensorShape(()),
            tf.TensorShape((None,)),
            tf.TensorShape((None,)),
        ),
    )
    return owners


def _voted(
    labels: tf.Tensor, owners: tf.Tensor, count: tf.Tensor, classes: int
) -> tf.Tensor:
    """The segment of each pixel of a thing, by the class of most pixels of its centre.

    Args:
        labels: int32 `(pixels,)`.
        owners: the centre of each, int32 `(pixels,)`; -1: there is none.
        count: of the centres.
        classes: how many there are.
    """
    cells = tf.where(owners >= 0, owners * classes + labels, -1)
    votes = tf.math.unsorted_segment_sum(
        tf.ones_like(cells), cells, tf.maximum(count, 1) * classes
    )
    votes = tf.reshape(votes, (-1, classes))
    winners = tf.argmax(votes, axis=-1, output_type=tf.int32)
    seen = tf.reduce_max(votes, axis=-1) > 0
    hot = tf.one_hot(tf.where(seen, winners, -1), classes, dtype=tf.int32)
    number = tf.reduce_sum(tf.cumsum(hot) * hot, axis=-1)
    values = tf.gather(winners * DIVISOR + number, tf.maximum(owners, 0))
    return tf.where(owners >= 0, values, VOID)


def _large_stuff(labels: tf.Tensor, classes: int, grouping: Grouping) -> tf.Tensor:
    """Segments of stuff, void where it is too small or there is none (-1)."""
    flat = tf.reshape(labels, (-1,))
    areas = tf.math.unsorted_segment_sum(tf.ones_like(flat), flat, classes)
    large = tf.gather(areas >= grouping.stuff_area, tf.maximum(labels, 0))
    return tf.where((labels >= 0) & large, labels * DIVISOR, VOID)
