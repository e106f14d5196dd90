"""Candidates for people's keypoints inside a graph: `peaks.py` and `grouping.py`."""

from typing import NamedTuple

import tensorflow as tf

from hrnet_tf.tasks.bottom_up.graph_maps import GraphMaps
from hrnet_tf.tasks.bottom_up.grouping import Grouping

MOST, LEAST = 0.75, 0.25  # shares of a cell in the places of a grid twice as fine


class GraphCandidates(NamedTuple):
    """The highest places of each keypoint's heatmap; see `grouping.Candidates`.

    Attributes:
        counts: int32 `(keypoints,)`, how many there are.
        numbers: float32 `(keypoints, most, 4)`: x, y, value and tag; zeros behind the
            last one.
    """

    counts: tf.Tensor
    numbers: tf.Tensor


def find_candidates(maps: GraphMaps, settings: Grouping) -> GraphCandidates:
    """Find where heatmaps are higher than around, and higher than the threshold."""
    x, y, keypoint, values = _find_peaks(maps, settings.threshold, settings.window)
    order = tf.argsort(values, direction="DESCENDING", stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(keypoint, order), stable=True))
    x, y, keypoint, values = (
        tf.gather(part, order) for part in (x, y, keypoint, values)
    )
    places = tf.range(maps.keypoints)
    first = tf.searchsorted(keypoint, places)
    rank = tf.range(tf.size(keypoint)) - tf.gather(first, keypoint)
    kept = tf.where(rank < settings.most)[:, 0]
    x, y, keypoint, values, rank = (
        tf.gather(part, kept) for part in (x, y, keypoint, values, rank)
    )
    tags = maps.tags_at(x, y, keypoint)
    rows = tf.stack([_real(x), _real(y), values, tags], axis=-1)
    shape = (maps.keypoints, settings.most, rows.shape[-1])
    numbers = tf.scatter_nd(tf.stack([keypoint, rank], axis=-1), rows, shape)
    counts = tf.math.bincount(keypoint, minlength=maps.keypoints)
    return GraphCandidates(counts, numbers)


def _find_peaks(
    maps: GraphMaps, threshold: float, window: int
) -> tuple[tf.Tensor, ...]:
    """Columns, rows, keypoints and values of peaks; see `peaks.find_peaks`."""
    found = (_between_cells if maps.finer == 2 else _above)(maps, threshold)
    reach = range(-(window // 2), window // 2 + 1)
    steps = [(right, down) for down in reach for right in reach if right or down]
    steps.sort(key=lambda step: abs(step[0]) + abs(step[1]))
    # Most places have a higher neighbour, so that few are left for the others.
    for part in (steps[:4], steps[4:]):
        if part:
            found = _not_below(maps, found, part)
    return found


def _not_below(
    maps: GraphMaps, found: tuple[tf.Tensor, ...], steps: list[tuple[int, int]]
) -> tuple[tf.Tensor, ...]:
    """Those places that are as high as all that lie so far away."""
    x, y, keypoint, values = found
    right, down = (tf.constant(part) for part in zip(*steps, strict=True))
    others = maps.values_at(x[:, None] + right, y[:, None] + down, keypoint[:, None])
    kept = tf.where(tf.reduce_all(values[:, None] >= others, axis=1))[:, 0]
    return tuple(tf.gather(part, kept) for part in found)


def _above(maps: GraphMaps, threshold: float) -> tuple[tf.Tensor, ...]:
    """All places of the grid above the threshold, where it is that of the heatmaps."""
    places = tf.cast(tf.where(maps.heatmaps > threshold), tf.int32)
    y, x, keypoint = tf.unstack(places, axis=-1)
    return x, y, keypoint, maps.cells(y, x, keypoint)


def _between_cells(maps: GraphMaps, threshold: float) -> tuple[tf.Tensor, ...]:
    """Places above the threshold and not below those to their left and right."""
    row, column, keypoint = _near(maps, threshold)
    steps = tf.constant([-1, 0, 1])
    rows = tf.clip_by_value(row + steps[:, None], 0, maps.rows - 1)
    columns = tf.clip_by_value(column + steps[:, None], 0, maps.columns - 1)
    square = maps.cells(rows[:, None], columns[None], keypoint)  # (3, 3, n)
    lines = [_twice_as_fine(*tf.unstack(square[down])) for down in range(3)]
    found = []
    for down in (0, 1):
        beside = lines[2 * down]
        values = [
            LEAST * other + MOST * own if down == 0 else MOST * own + LEAST * other
            for own, other in zip(lines[1], beside, strict=True)
        ]
        for right in (1, 2):
            value = values[right]
            peak = (value > threshold) & (value >= values[right - 1])
            index = tf.where(peak & (value >= values[right + 1]))[:, 0]
            places = 2 * column + right - 1, 2 * row + down, keypoint, value
            found.append([tf.gather(part, index) for part in places])
    return tuple(tf.concat(parts, axis=0) for parts in zip(*found, strict=True))


def _near(maps: GraphMaps, threshold: float) -> tuple[tf.Tensor, ...]:
    """Rows, columns and keypoints of cells that exceed the threshold, or lie beside."""
    high = tf.cast(tf.where(maps.heatmaps > threshold), tf.int32)
    cross = tf.constant([[0, 0, 0], [0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0]])
    cells = tf.reshape(high[:, None] + cross, (-1, 3))
    row = tf.clip_by_value(cells[:, 0], 0, maps.rows - 1)
    column = tf.clip_by_value(cells[:, 1], 0, maps.columns - 1)
    index = (row * maps.columns + column) * maps.keypoints + cells[:, 2]
    index = tf.sort(tf.unique(index).y)
    cell, keypoint = index // maps.keypoints, index % maps.keypoints
    return cell // maps.columns, cell % maps.columns, keypoint


def _twice_as_fine(
    before: tf.Tensor, cell: tf.Tensor, after: tf.Tensor
) -> list[tf.Tensor]:
    """The two places in a cell and the one on either side, by three cells in a row."""
    return [
        MOST * before + LEAST * cell,
        LEAST * before + MOST * cell,
        MOST * cell + LEAST * after,
        LEAST * cell + MOST * after,
    ]


def _real(places: tf.Tensor) -> tf.Tensor:
    return tf.cast(places, tf.float32)
