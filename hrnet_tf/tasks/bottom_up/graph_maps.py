"""Merged maps inside a graph, looked up place by place as `maps.PeopleMaps` does.

What follows the network once: the grid that people are looked for on is as fine as the
merged heatmaps, or twice as fine.
"""

from typing import Any

import tensorflow as tf

# Cells around places, and their weights.
Nearest = list[tuple[tf.Tensor, tf.Tensor]]


class GraphMaps:
    """Where keypoints of people are likely to be, and who each place belongs to.

    Args:
        heatmaps: float32 `(rows, columns, keypoints)`, merged.
        tags: float32 `(rows / 2, columns / 2, keypoints)`.
        finer: places of the grid along a cell of the heatmaps, 1 or 2.

    Attributes:
        size: height and width of the grid, int32 `(2,)`.
    """

    def __init__(self, heatmaps: tf.Tensor, tags: tf.Tensor, finer: int):
        self.heatmaps, self.tags, self.finer = heatmaps, tags, finer
        self.keypoints: int = heatmaps.shape[-1]
        shape = tf.shape(heatmaps)
        self.rows, self.columns = shape[0], shape[1]
        self.size = shape[:2] * finer
        self._values = tf.reshape(heatmaps, [-1])
        self._tags = tf.reshape(tags, [-1])

    def cells(self, row: tf.Tensor, column: tf.Tensor, keypoint: Any) -> tf.Tensor:
        """Heatmaps at cells; all int32 of one shape, or of shapes that fit."""
        index = (row * self.columns + column) * self.keypoints + keypoint
        return tf.gather(self._values, index)

    def values_at(self, x: tf.Tensor, y: tf.Tensor, keypoint: Any) -> tf.Tensor:
        """Heatmaps at places of the grid; see `maps.PeopleMaps.values_at`.

        Places beyond the grid count as the nearest ones on it.
        """
        x = tf.clip_by_value(x, 0, self.size[1] - 1)
        y = tf.clip_by_value(y, 0, self.size[0] - 1)
        across = nearest_two(x, self.columns, self.finer)
        found: Any = 0.0
        for row, share in nearest_two(y, self.rows, self.finer):
            line = sum(
                weight * self.cells(row, column, keypoint) for column, weight in across
            )
            found += share * line
        return found

    def tags_at(self, x: tf.Tensor, y: tf.Tensor, keypoint: tf.Tensor) -> tf.Tensor:
        """Tags at places of the grid; see `maps.PeopleMaps.tags_at`."""
        column, column_weight = self._through(x, self.columns)
        row, row_weight = self._through(y, self.rows)
        index = row[:, None] * (self.columns // 2) + column
        near = tf.gather(self._tags, index * self.keypoints + keypoint)
        parts = near * (row_weight[:, None] * column_weight)
        parts = tf.reshape(parts, (row.shape[0] * column.shape[0], -1))
        # TensorFlow adds one after the other only here, as NumPy does: last digits tell
        # who began with the same tag.
        return tf.cumsum(parts)[-1]

    def _through(
        self, places: tf.Tensor, half: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Cells of the tags and weights, `(near, n)`, for `n` places of the grid."""
        near = [
            (inner, weight * inner_weight)
            for outer, weight in nearest_two(places, half, self.finer)
            for inner, inner_weight in nearest_two(outer, half // 2, 2)
        ]
        cells, weights = (tf.stack(part) for part in zip(*near, strict=True))
        return cells, weights

    def towards_higher(
        self, x: tf.Tensor, y: tf.Tensor, keypoint: tf.Tensor
    ) -> tf.Tensor:
        """See `grouping.towards_higher`; float32 `(n, 2)`."""
        right, left = (self.values_at(x + step, y, keypoint) for step in (1, -1))
        below, above = (self.values_at(x, y + step, keypoint) for step in (1, -1))
        higher = tf.stack([right > left, below > above], axis=-1)
        return tf.where(higher, 0.75, 0.25)


def nearest_two(places: tf.Tensor, cells: tf.Tensor, finer: int) -> Nearest:
    """The two cells around each place of a bilinear resizing; see `maps.nearest_two`.

    Args:
        places: int32, of a grid that is `finer` times as fine.
        cells: how many there are before.
        finer: 1 or 2.
    """
    if finer == 1:
        return [(places, tf.ones(tf.shape(places)))]
    exact = (tf.cast(places, tf.float32) + 0.5) / finer - 0.5
    exact = tf.clip_by_value(exact, 0.0, tf.cast(cells - 1, tf.float32))
    low = tf.cast(exact, tf.int32)
    share = exact - tf.cast(low, tf.float32)
    return [(low, 1 - share), (tf.minimum(low + 1, cells - 1), share)]
