"""The gradient of RoIAlign: what each cell gave to each bin, as a sparse matrix.

TensorFlow's gradient of crops loses numbers on CPUs: its threads add to the same cells
at once. Here they do not, and samples of a bin that share a cell are one entry.
"""

from typing import NamedTuple

import tensorflow as tf


class Regions(NamedTuple):
    """Regions of one map; pairs are x and y.

    Attributes:
        image: int32 `(n,)`, where each one is.
        begin: float32 `(n, 2)`, in cells, of which the first one's middle is 0.
        bins: float32 `(n, 2)`: sides of a bin, in cells.
    """

    image: tf.Tensor
    begin: tf.Tensor
    bins: tf.Tensor

    def samples(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Samples of a bin along x and y, at least 1, and the weight of each one.

        A side of 0 has no sample: the weight is 0 then.
        """
        samples = tf.math.ceil(self.bins)
        weights = tf.where(samples > 0, 1 / samples, 0)
        return tf.maximum(samples, 1), weights


class _Axis(NamedTuple):
    """What cells along an axis give to bins.

    Attributes:
        first: int32 `(n, side)`: the first cell that a bin has a share of.
        cells: int32 `(n,)`: of how many cells bins have a share.
        weights: float32 `(cells, side)`: what each gives, one region after the other.
    """

    first: tf.Tensor
    cells: tf.Tensor
    weights: tf.Tensor


def numbered(counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Count from 0 for each of several.

    Args:
        counts: int32 `(n,)`: how far.

    Returns:
        Which of them, and the number, int32 `(total,)` each: of counts 2 and 1 these
        are 0, 0, 1 and 0, 1, 0.
    """
    # Both are far fewer operations than `tf.repeat` and a running sum.
    numbers = tf.ragged.range(counts, row_splits_dtype=tf.int32)
    ends, every = numbers.row_splits[1:], tf.range(tf.shape(numbers.values)[0])
    return tf.searchsorted(ends, every, side="right"), numbers.values


def map_gradient(
    upstream: tf.Tensor, regions: Regions, shape: tf.Tensor, side: int
) -> tf.Tensor:
    """The gradient of a map.

    Args:
        upstream: that of the bins, float32 `(n, side, side, c)`.
        regions: where the bins are.
        shape: of the map: images, height, width and channels.
        side: bins in each direction.

    Returns:
        float32 `(images, height, width, c)`.
    """
    columns, rows = (_axis(regions, axis, side, shape[2 - axis]) for axis in (0, 1))
    region, number = numbered(rows.cells * columns.cells)
    across = tf.gather(columns.cells, region)
    down, along = (
        _part(axis, region, place, limit)
        for axis, place, limit in (
            (rows, number // across, shape[1]),
            (columns, number % across, shape[2]),
        )
    )
    row = (tf.gather(regions.image, region) * shape[1])[:, None] + down[0]
    cell = row[:, :, None] * shape[2] + along[0][:, None]
    weights = down[1][:, :, None] * along[1][:, None]
    bin_ = (region * side * side)[:, None] + tf.range(side * side)
    pairs = tf.stack([tf.reshape(bin_, [-1]), tf.reshape(cell, [-1])], axis=-1)
    bins, cells = tf.shape(upstream)[0] * side * side, tf.reduce_prod(shape[:3])
    gradient = tf.raw_ops.SparseTensorDenseMatMul(
        a_indices=tf.cast(pairs, tf.int64),
        a_values=tf.reshape(weights, [-1]),
        a_shape=tf.cast(tf.stack([bins, cells]), tf.int64),
        b=tf.reshape(upstream, tf.stack([bins, shape[3]])),
        adjoint_a=True,
    )
    return tf.reshape(gradient, shape)


def _axis(regions: Regions, axis: int, side: int, extent: tf.Tensor) -> _Axis:
    """Add up what samples of a bin take of the same cell.

    Those that are more than a cell beyond the map take nothing.
    """
    samples, weights = (values[:, axis] for values in regions.samples())
    bins = regions.bins[:, axis]
    begin = (regions.begin[:, axis] + 0.5 * bins / samples)[:, None]
    begin += bins[:, None] * tf.range(side, dtype=tf.float32)
    region, number = numbered(tf.cast(samples, tf.int32))
    begin_of_bin = tf.gather(begin, region)
    apart = tf.cast(number, tf.float32) * tf.gather(bins / samples, region)
    place = begin_of_bin + apart[:, None]
    first = tf.floor(begin_of_bin)
    # Samples are at most a cell apart; rounding could bring the last one beyond.
    farthest = tf.gather(samples - 1, region)[:, None]
    lower = tf.minimum(tf.floor(place) - first, farthest)
    share = place - first - lower
    cells = tf.cast(samples, tf.int32) + 1
    start = tf.cumsum(cells, exclusive=True)
    at = tf.gather(start, region)[:, None] + tf.cast(lower, tf.int32)
    at = at * side + tf.range(side)
    near = (place >= -1) & (place <= tf.cast(extent, tf.float32))
    weight = tf.where(near, tf.gather(weights, region)[:, None], 0)
    given = tf.math.unsorted_segment_sum(
        tf.concat([(1 - share) * weight, share * weight], axis=0),
        tf.concat([at, at + side], axis=0),
        tf.reduce_sum(cells) * side,
    )
    return _Axis(
        tf.cast(tf.floor(begin), tf.int32), cells, tf.reshape(given, (-1, side))
    )


def _part(
    axis: _Axis, region: tf.Tensor, place: tf.Tensor, limit: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Some cells of regions, one of each bin, and what they give: `(m, side)` each.

    A cell beyond the map is the one at its border.
    """
    cells = tf.gather(axis.first, region) + place[:, None]
    start = tf.cumsum(axis.cells, exclusive=True)
    weights = tf.gather(axis.weights, tf.gather(start, region) + place)
    return tf.clip_by_value(cells, 0, limit - 1), weights
