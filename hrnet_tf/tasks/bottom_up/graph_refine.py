"""Keypoints that a person lacks, inside a graph: `refine.refine`.

As there, bounds in blocks of places tell where the best place cannot be, so that few
are looked at; searches and blocks come in parts, so that no image takes much memory.
"""

import tensorflow as tf

from hrnet_tf.networks.layers import resize_bilinear
from hrnet_tf.tasks.bottom_up.graph_maps import GraphMaps, nearest_two
from hrnet_tf.tasks.bottom_up.refine import FIRST_BLOCKS, SLACK

SEARCHES = 64  # at a time
BLOCKS = 1 << 14  # that are looked into at a time
NOWHERE = 2**31 - 1


def refine(people: tf.Tensor, maps: GraphMaps) -> tf.Tensor:
    """Fill in keypoints that people lack; see `refine.refine`.

    Args:
        people: float32 `(people, keypoints, 3)`.
        maps: they were found in.
    """
    missing = tf.where(people[..., 2] == 0)
    person, keypoint = tf.unstack(tf.cast(missing, tf.int32), axis=-1)
    blocks = _Blocks(maps)
    means = tf.gather(_mean_tags(people, maps), person)

    def some(start: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = slice(start, start + SEARCHES)
        found = blocks.best_places(keypoint[part], means[part])
        return start + SEARCHES, tf.concat([places, found], axis=0)

    _, places = tf.while_loop(
        lambda start, _: start < tf.size(person),
        some,
        (tf.constant(0), tf.zeros((0,), tf.int32)),
        shape_invariants=(tf.TensorShape(()), tf.TensorShape((None,))),
    )
    y, x = places // maps.size[1], places % maps.size[1]
    values = maps.values_at(x, y, keypoint)
    moved = tf.cast(tf.stack([x, y], axis=-1), tf.float32)
    moved += maps.towards_higher(x, y, keypoint)
    rows = tf.concat([moved, values[:, None]], axis=-1)
    rows = tf.where(values[:, None] > 0, rows, 0.0)
    return tf.tensor_scatter_nd_add(people, missing, rows)


def _mean_tags(people: tf.Tensor, maps: GraphMaps) -> tf.Tensor:
    """Each person's mean tag, float32 `(people,)`; see `refine.mean_tags`."""
    there = tf.where(people[..., 2] > 0)
    places = tf.cast(tf.gather_nd(people, there), tf.int32)
    person, keypoint = tf.unstack(tf.cast(there, tf.int32), axis=-1)
    x = tf.minimum(places[:, 0], maps.size[1] - 1)
    y = tf.minimum(places[:, 1], maps.size[0] - 1)
    count = tf.shape(people)[0]
    sums = tf.math.unsorted_segment_sum(maps.tags_at(x, y, keypoint), person, count)
    counts = tf.math.bincount(person, minlength=count, dtype=tf.float32)
    return sums / tf.maximum(counts, 1.0)


class _Blocks:
    """Maps in blocks, each of which is a cell of the tags, with bounds.

    Args:
        maps: of an image.
    """

    def __init__(self, maps: GraphMaps):
        self.maps = maps
        self.side = 2 * maps.finer  # of a block, in places
        self.columns = maps.columns // 2
        tags, heatmaps = maps.tags[None], maps.heatmaps[None]
        # Places of a block lie between its own tags and those around, and between the
        # heatmaps' cells -1 to 2 of it where the grid is finer than they are.
        self.high = _planes(tf.nn.max_pool2d(tags, 3, 1, "SAME"))
        self.low = -_planes(tf.nn.max_pool2d(-tags, 3, 1, "SAME"))
        reach = 4 if maps.finer == 2 else 2
        self.highest = _planes(tf.nn.max_pool2d(heatmaps, reach, 2, "SAME"))
        half = tf.shape(maps.heatmaps)[:2]
        self.tags = tf.reshape(resize_bilinear(tags, half, align_corners=False), [-1])

    def best_places(self, keypoint: tf.Tensor, means: tf.Tensor) -> tf.Tensor:
        """Where the value less the rounded distance of tags is highest.

        Args:
            keypoint: int32 `(n,)`, which is looked for.
            means: float32 `(n,)`, the tag that it should have.

        Returns:
            Places, int32 `(n,)`, numbered row by row; of equally good ones the first.
        """
        high, low, highest = (
            tf.gather(part, keypoint) for part in (self.high, self.low, self.highest)
        )
        mean = means[:, None]
        apart = tf.maximum(tf.maximum(low - mean, mean - high), 0.0)
        bounds = highest - tf.round(tf.maximum(apart - SLACK, 0.0))
        few = tf.minimum(FIRST_BLOCKS, tf.shape(bounds)[1])
        first = tf.math.top_k(bounds, few).indices
        count = tf.size(keypoint)
        search = tf.repeat(tf.range(count), few)
        _, scores = self._look(keypoint, means, search, tf.reshape(first, [-1]))
        least = tf.reduce_max(tf.reshape(scores, (count, -1)), axis=1, keepdims=True)
        pairs = tf.cast(tf.where(bounds >= least), tf.int32)

        def some(
            start: tf.Tensor, best: tf.Tensor, place: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            search, block = tf.unstack(pairs[start : start + BLOCKS], axis=-1)
            places, scores = self._look(keypoint, means, search, block)
            rows = tf.reduce_max(scores, axis=1)
            most = tf.math.unsorted_segment_max(rows, search, count)
            most = tf.maximum(best, most)
            is_best = scores == tf.gather(most, search)[:, None]
            own = tf.reduce_min(tf.where(is_best, places, NOWHERE), axis=1)
            found = tf.math.unsorted_segment_min(own, search, count)
            found = tf.where(most > best, found, tf.minimum(place, found))
            return start + BLOCKS, most, found

        begun = tf.fill((count,), float("-inf")), tf.fill((count,), NOWHERE)
        return tf.while_loop(
            lambda start, *_: start < tf.shape(pairs)[0],
            some,
            (tf.constant(0), *begun),
        )[2]

    def _look(
        self,
        keypoint: tf.Tensor,
        means: tf.Tensor,
        search: tf.Tensor,
        block: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Numbers and scores of all places in blocks, `(n, places of each)`."""
        maps = self.maps
        inner = tf.range(self.side * self.side)
        y = self.side * (block // self.columns)[:, None] + inner // self.side
        x = self.side * (block % self.columns)[:, None] + inner % self.side
        own = tf.gather(keypoint, search)[:, None]
        across = nearest_two(x, maps.columns, maps.finer)
        tags = tf.zeros(tf.shape(x))
        for row, share in nearest_two(y, maps.rows, maps.finer):
            for column, weight in across:
                index = (row * maps.columns + column) * maps.keypoints + own
                tags += tf.gather(self.tags, index) * (share * weight)
        apart = tf.abs(tags - tf.gather(means, search)[:, None])
        return y * maps.size[1] + x, maps.values_at(x, y, own) - tf.round(apart)


def _planes(maps: tf.Tensor) -> tf.Tensor:
    """`(1, rows, columns, keypoints)` to `(keypoints, rows * columns)`."""
    return tf.reshape(tf.transpose(maps[0], (2, 0, 1)), (maps.shape[-1], -1))
