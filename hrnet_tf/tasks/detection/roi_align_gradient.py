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
    counts = tf.repeat(rows.cells * columns.cells, side * side)
    bin_, number = numbered(counts)
    region = bin_ // (side * side)
    across = tf.gather(columns.cells, region)
    row, down = _part(rows, region, bin_ // side % side, number // across, shape[1])
    column, along = _part(columns, region, bin_ % side, number % across, shape[2])
    row += tf.gather(regions.image, region) * shape[1]
    given = _Given(bin_, row * shape[2] + column, down * along)
    values = tf.reshape(upstream, tf.stack([-1, shape[3]]))
    return tf.reshape(given.to_cells(values, tf.reduce_prod(shape[:3])), shape)


class _Given(NamedTuple):
    """What cells gave to bins: a number each, `(total,)`, bins one after the other."""

    bins: tf.Tensor
    cells: tf.Tensor
    weights: tf.Tensor

    def to_cells(self, values: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Give values of bins `(bins, c)` back to cells, `(count, c)`."""
        pairs = tf.cast(tf.stack([self.bins, self.cells], axis=-1), tf.int64)
        shape = tf.cast(tf.stack([tf.shape(values)[0], count]), tf.int64)
        if tf.config.list_logical_devices("GPU"):
            return tf.raw_ops.SparseTensorDenseMatMul(
                a_indices=pairs,
                a_values=self.weights,
                a_shape=shape,
                b=values,
                adjoint_a=True,
            )
        # The same, by operations that are twenty times as fast on a CPU.
        matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=pairs, values=self.weights, dense_shape=shape
        )
        transposed = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)
        return tf.raw_ops.SparseMatrixMatMul(a=transposed, b=values)


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
    axis: _Axis, region: tf.Tensor, bin_: tf.Tensor, place: tf.Tensor, limit: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Which cells those at some places of bins are, and what they give.

    A cell beyond the map is the one at its border.

    Args:
        axis: along which.
        region: int32 `(total,)`.
        bin_: likewise, of the region.
        place: likewise, among the cells of the bin.
        limit: cells of the map.
    """
    side = axis.first.shape[1]
    start = tf.gather(tf.cumsum(axis.cells, exclusive=True), region)
    cells = tf.gather(tf.reshape(axis.first, [-1]), region * side + bin_) + place
    weights = tf.gather(tf.reshape(axis.weights, [-1]), (start + place) * side + bin_)
    return tf.clip_by_value(cells, 0, limit - 1), weights
