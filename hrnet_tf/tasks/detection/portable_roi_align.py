"""RoIAlign of fixed shapes: for XLA, and for formats without TensorFlow's crops.

A bin's value is a weighted sum of cells, and the weights are those of its rows times
those of its columns; how much all samples of a bin add to a cell has a closed form. So
a region is a product of three matrices. Regions are cut into pieces of equal size,
large ones into many, and chunks of regions with about as many pieces take turns.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from hrnet_tf.tasks.detection.roi_align import STRIDES, roi_levels

PIECE = 12  # cells along each side of a piece
CHUNK = 64  # regions whose pieces are looked at together


def portable_roi_align(
    levels: Sequence[tf.Tensor], boxes: tf.Tensor, side: int
) -> tf.Tensor:
    """What `roi_align` says, in operations that XLA, TFLite and ONNX have.

    Args:
        levels: maps of strides 4, 8, 16, 32, float32 `(batch, height, width, c)`.
        boxes: float32 `(batch, n, 4)`: x1, y1, x2, y2 in pixels; n may be 0.
        side: bins in each direction.

    Returns:
        float32 `(batch, n, side, side, c)`. The gradient goes to the maps.
    """
    batch, count = tf.unstack(_shape(boxes)[:2])
    cells = tf.concat([_flat(level) for level in levels], axis=0)
    regions = _regions(levels, boxes, side)
    pooled = _pooled(cells, regions, side)
    shape = tf.stack([batch, count, side, side, levels[0].shape[-1]])
    return tf.reshape(pooled, shape)


class _Axis(NamedTuple):
    """Rows or columns of regions, `(n,)` each; in cells.

    Attributes:
        begin: where each begins.
        bins: length of a bin.
        samples: of a bin, whole numbers; 0 for a side of 0.
        extent: rows or columns of the map.
        first: the first cell that a sample looks at.
        pieces: int32, how many there are.
    """

    begin: tf.Tensor
    bins: tf.Tensor
    samples: tf.Tensor
    extent: tf.Tensor
    first: tf.Tensor
    pieces: tf.Tensor

    def weights(self, cells: tf.Tensor, side: int) -> tf.Tensor:
        """What cells `(n, k)` add to bins: `(n, side, k)`."""
        cells, extent = cells[:, None], self.extent[:, None, None]
        samples = self.samples[:, None, None]
        step = (self.bins / tf.maximum(self.samples, 1))[:, None, None]
        step = tf.where(step > 0, step, 1)
        number = tf.range(side, dtype=tf.float32)
        begin = (self.begin[:, None] + number * self.bins[:, None])[..., None]

        def before(place: tf.Tensor, rounded: Callable = tf.math.ceil) -> tf.Tensor:
            """How many samples of a bin lie before a place."""
            passed = rounded((place - begin) / step - 0.5)
            return tf.minimum(tf.maximum(passed, 0), samples)

        last = cells == extent - 1
        lower, here = before(cells - 1), before(cells)
        # A sample just at the end of the map still has the value of its last cell.
        upper = tf.where(
            last, before(cells + 1, lambda of: tf.floor(of) + 1), before(cells + 1)
        )
        rising = begin + step * (lower + here) / 2 - (cells - 1)
        falling = cells + 1 - (begin + step * (here + upper) / 2)
        shares = (here - lower) * tf.where(cells == 0, 1.0, rising)
        shares += (upper - here) * tf.where(last, 1.0, falling)
        shares = tf.where(cells < extent, shares, 0)
        return shares / tf.maximum(samples, 1)


class _Regions(NamedTuple):
    """Regions of all images and levels, `(n,)` each.

    Attributes:
        rows: along y.
        columns: along x.
        start: int32, where the cells of each one's map begin among all cells.
    """

    rows: _Axis
    columns: _Axis
    start: tf.Tensor

    def piece(self, number: tf.Tensor, side: int) -> tuple[tf.Tensor, ...]:
        """One piece of each region.

        Returns:
            Which cells, int32 `(n, PIECE, PIECE)`; and what they add to rows and
            columns of bins, `(n, side, PIECE)` each; 0 for regions of fewer pieces.
        """
        across = tf.maximum(self.columns.pieces, 1)
        there = number < self.rows.pieces * self.columns.pieces
        cells = [
            (axis.first + tf.cast(place * PIECE, tf.float32))[:, None]
            + tf.range(PIECE, dtype=tf.float32)
            for axis, place in (
                (self.rows, number // across),
                (self.columns, number % across),
            )
        ]
        down = self.rows.weights(cells[0], side)
        along = self.columns.weights(cells[1], side)
        y, x = (
            tf.cast(tf.minimum(of, axis.extent[:, None] - 1), tf.int32)
            for of, axis in zip(cells, (self.rows, self.columns), strict=True)
        )
        width = tf.cast(self.columns.extent, tf.int32)[:, None, None]
        where = self.start[:, None, None] + y[:, :, None] * width + x[:, None]
        where = tf.where(there[:, None, None], where, 0)
        return where, tf.where(there[:, None, None], down, 0), along


def _shape(tensor: tf.Tensor) -> tf.Tensor:
    """A shape, constant where it is known."""
    return tf.stack(
        [
            dynamic if static is None else static
            for static, dynamic in zip(
                tensor.shape, tf.unstack(tf.shape(tensor)), strict=True
            )
        ]
    )


def _flat(level: tf.Tensor) -> tf.Tensor:
    return tf.reshape(level, (-1, level.shape[-1]))


def _regions(levels: Sequence[tf.Tensor], boxes: tf.Tensor, side: int) -> _Regions:
    """Regions of a batch, one image after the other."""
    batch, count = tf.unstack(_shape(boxes)[:2])
    image = tf.tile(tf.range(batch)[:, None], tf.stack([1, count]))
    image = tf.reshape(image, [-1])
    boxes = tf.reshape(tf.stop_gradient(boxes), (-1, 4))
    level = roi_levels(boxes)
    sizes = tf.stack([_shape(each)[1:3] for each in levels])
    areas = sizes[:, 0] * sizes[:, 1]
    start = tf.gather(tf.cumsum(areas * batch, exclusive=True), level)
    start += image * tf.gather(areas, level)
    stride = tf.gather(tf.constant(STRIDES, tf.float32), level)
    extents = tf.cast(tf.gather(sizes, level), tf.float32)
    cells = boxes * (1 / stride)[:, None] - 0.5

    def axis(low: int, high: int, extent: tf.Tensor) -> _Axis:
        begin, length = cells[:, low], cells[:, high] - cells[:, low]
        bins = length / side
        samples = tf.maximum(tf.math.ceil(bins), 0)
        half = 0.5 * bins / tf.maximum(samples, 1)
        last = extent - 1
        first = tf.floor(tf.minimum(tf.maximum(begin + half, 0), last))
        end = tf.floor(tf.minimum(tf.maximum(begin + length - half, 0), last)) + 1
        wanted = tf.minimum(end, last) - first + 1
        pieces = tf.cast(tf.math.ceil(wanted / PIECE), tf.int32)
        pieces = tf.where(samples > 0, pieces, 0)
        return _Axis(begin, bins, samples, extent, first, pieces)

    return _Regions(axis(1, 3, extents[:, 0]), axis(0, 2, extents[:, 1]), start)


def _pooled(cells: tf.Tensor, regions: _Regions, side: int) -> tf.Tensor:
    """Bins of all regions, `(n, side, side, c)`."""
    pieces = regions.rows.pieces * regions.columns.pieces
    count = _shape(pieces)[0]
    rounds = -(-count // CHUNK)
    # Regions of many pieces first, so that those of a chunk have about as many.
    order = tf.argsort(pieces, direction="DESCENDING")
    padded = tf.pad(order, tf.stack([[0, rounds * CHUNK - count]]))

    def chunk(number: tf.Tensor) -> _Regions:
        some = tf.gather(padded, number * CHUNK + tf.range(CHUNK))
        return tf.nest.map_structure(lambda of: tf.gather(of, some), regions)

    @tf.custom_gradient
    def pool(cells: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def one(number: tf.Tensor) -> tf.Tensor:
            return _chunk_bins(cells, chunk(number), side)

        known = tf.get_static_value(rounds)
        if known is None:
            signature = tf.TensorSpec((CHUNK, side, side, cells.shape[-1]))
            bins = tf.map_fn(one, tf.range(rounds), fn_output_signature=signature)
        else:
            bins = tf.stack([one(number) for number in range(known)])
        bins = tf.reshape(bins, (-1, side, side, cells.shape[-1]))
        found = tf.gather(bins, tf.argsort(order))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            missing = [[0, rounds * CHUNK - count], [0, 0], [0, 0], [0, 0]]
            sorted_ = tf.pad(tf.gather(upstream, order), missing)

            def add(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, ...]:
                own = sorted_[number * CHUNK : (number + 1) * CHUNK]
                return number + 1, _add_chunk(total, chunk(number), own, side)

            start = tf.constant(0), tf.zeros_like(cells)
            return tf.while_loop(lambda number, _: number < rounds, add, start)[1]

        return found, gradient

    return pool(cells)


def _most(regions: _Regions) -> tf.Tensor:
    return tf.reduce_max(regions.rows.pieces * regions.columns.pieces)


def _chunk_bins(cells: tf.Tensor, regions: _Regions, side: int) -> tf.Tensor:
    """Bins of a chunk of regions, `(CHUNK, side, side, c)`."""
    channels = cells.shape[-1]

    def add(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        where, down, along = regions.piece(number, side)
        piece = tf.gather(cells, tf.reshape(where, [-1]))
        piece = tf.reshape(piece, (CHUNK, PIECE, PIECE * channels))
        rows = tf.reshape(down @ piece, (CHUNK * side, PIECE, channels))
        bins = _each_row(along, side) @ rows
        return number + 1, total + tf.reshape(bins, (CHUNK, side, side, channels))

    most = _most(regions)
    start = tf.constant(0), tf.zeros((CHUNK, side, side, channels))
    return tf.while_loop(lambda number, _: number < most, add, start)[1]


def _add_chunk(
    total: tf.Tensor, regions: _Regions, upstream: tf.Tensor, side: int
) -> tf.Tensor:
    """The gradient of cells with that of a chunk of regions."""
    channels = total.shape[-1]

    def add(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        where, down, along = regions.piece(number, side)
        bins = tf.reshape(upstream, (CHUNK * side, side, channels))
        rows = tf.matmul(_each_row(along, side), bins, transpose_a=True)
        rows = tf.reshape(rows, (CHUNK, side, PIECE * channels))
        piece = tf.matmul(down, rows, transpose_a=True)
        piece = tf.reshape(piece, (-1, channels))
        places = tf.reshape(where, (-1, 1))
        return number + 1, tf.tensor_scatter_nd_add(total, places, piece)

    most = _most(regions)
    start = tf.constant(0), total
    return tf.while_loop(lambda number, _: number < most, add, start)[1]


def _each_row(along: tf.Tensor, side: int) -> tf.Tensor:
    """Weights of columns for each row of bins, `(CHUNK * side, side, PIECE)`."""
    shape = (CHUNK, side, side, PIECE)
    return tf.reshape(tf.broadcast_to(along[:, None], shape), (-1, side, PIECE))
