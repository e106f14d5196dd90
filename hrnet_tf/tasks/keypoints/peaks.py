"""From the highest cell of a heatmap to the place between cells that is meant."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def quarter_offset(
    maps: tf.Tensor,
    x: tf.Tensor,
    y: tf.Tensor,
    size: tuple[int, int],
    by_axis: bool = False,
) -> tf.Tensor:
    """A quarter cell towards the higher neighbour in x and in y.

    Args:
        maps: `(n, height * width)`.
        x: int32 `(n,)`, the column of each maximum.
        y: int32 `(n,)`, its row.
        size: height and width.
        by_axis: what is said below of both axes holds for each by itself, but that
            nothing moves along the first row or column.

    Returns:
        float32 `(n, 2)`; 0 for maxima on the border or next to the first row or column.
    """
    height, width = size
    at = neighbours(maps, x, y, size)
    slope = tf.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], axis=-1)
    across, along = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    if by_axis:
        inside = tf.stack([across & (y > 0), along & (x > 0)], axis=-1)
    else:
        inside = (across & along)[:, None]
    return tf.where(inside, 0.25 * tf.sign(slope), 0.0)


def smoothing_length(sigma: float) -> int:
    """Cells along the smoothing of heatmaps: 11 for a sigma of 2, 17 for 3."""
    return int(6 * sigma - 1) // 2 * 2 + 1


def smooth_logarithm(
    heatmaps: tf.Tensor, length: int, limits: tuple[float, float] | None = None
) -> tf.Tensor:
    """Heatmaps blurred to a Gaussian's shape at their old height, as logarithms.

    Args:
        heatmaps: `(batch, height, width, keypoints)`.
        length: of the smoothing, in cells; odd.
        limits: that values are brought to first; None: 1e-10 at least.
    """
    smooth = blurred(heatmaps, length)
    low, high = limits or (1e-10, None)
    smooth = tf.maximum(smooth, low)
    return tf.math.log(smooth if high is None else tf.minimum(smooth, high))


def blurred(heatmaps: tf.Tensor, length: int) -> tf.Tensor:
    """Heatmaps smoothed by a Gaussian of `length` cells, each at its old height."""
    kernel = gaussian_kernel(length)
    channels = heatmaps.shape[-1]
    kernel = np.repeat(kernel[:, None, None], channels, axis=-1)[..., None]
    smooth = heatmaps
    for filters in (kernel, kernel.transpose(1, 0, 2, 3)):
        smooth = tf.nn.depthwise_conv2d(smooth, filters, (1, 1, 1, 1), "SAME")
    peak = tf.reduce_max(heatmaps, axis=(1, 2), keepdims=True)
    return smooth * tf.math.divide_no_nan(
        peak, tf.reduce_max(smooth, axis=(1, 2), keepdims=True)
    )


def reflected_blur(heatmaps: tf.Tensor, length: int) -> tf.Tensor:
    """Heatmaps smoothed by a Gaussian of `length` cells, mirrored at the borders.

    The outermost cells are not repeated, as OpenCV has it.
    """
    _, height, width, _ = heatmaps.shape
    rows, columns = (tf.constant(_reflecting(side, length)) for side in (height, width))
    return tf.einsum("ih,bhwk,jw->bijk", rows, heatmaps, columns)


def _reflecting(side: int, length: int) -> np.ndarray:
    """Smoothing along a side as a matrix, float32 `(side, side)`."""
    kernel, period = gaussian_kernel(length), max(2 * (side - 1), 1)
    matrix = np.zeros((side, side), np.float32)
    for cell in range(side):
        for step, weight in enumerate(kernel, -(length // 2)):
            place = (cell + step) % period
            matrix[cell, min(place, period - place)] += weight
    return matrix


def gaussian_kernel(length: int) -> np.ndarray:
    """Smoothing weights of odd `length`, as wide as OpenCV has them for it."""
    sigma = 0.3 * ((length - 1) / 2 - 1) + 0.8
    distance = np.arange(length) - length // 2
    kernel = np.exp(-(distance**2) / (2 * sigma**2))
    return (kernel / kernel.sum()).astype(np.float32)


def parabola_offset(
    maps: tf.Tensor, x: tf.Tensor, y: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """From each maximum to the top of the parabola around it (Newton's step).

    Args and returns are those of `quarter_offset`; `maps` are logarithms.
    """
    height, width = size
    at = neighbours(maps, x, y, size)
    dx = 0.5 * (at(1, 0) - at(-1, 0))
    dy = 0.5 * (at(0, 1) - at(0, -1))
    dxx = 0.25 * (at(2, 0) - 2 * at(0, 0) + at(-2, 0))
    dyy = 0.25 * (at(0, 2) - 2 * at(0, 0) + at(0, -2))
    dxy = 0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1))
    determinant = dxx * dyy - dxy * dxy
    step = tf.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], axis=-1)
    step = tf.math.divide_no_nan(step, determinant[:, None])
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return tf.where(inside[:, None], step, 0.0)


def newton_offset(
    maps: tf.Tensor, x: tf.Tensor, y: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """`parabola_offset` by differences of neighbours, at the border too.

    Args and returns are those of `quarter_offset`; `maps` are logarithms, and go on
    beyond the border as they are there.
    """
    at = neighbours(maps, x, y, size)
    dx = 0.5 * (at(1, 0) - at(-1, 0))
    dy = 0.5 * (at(0, 1) - at(0, -1))
    least = float(np.finfo(np.float32).eps)  # a flat map stays where it is
    dxx = at(1, 0) - 2 * at(0, 0) + at(-1, 0) + least
    dyy = at(0, 1) - 2 * at(0, 0) + at(0, -1) + least
    sides = at(1, 0) + at(0, 1) + at(-1, 0) + at(0, -1)
    dxy = 0.5 * (at(1, 1) + at(-1, -1) + 2 * at(0, 0) - sides)
    determinant = dxx * dyy - dxy * dxy
    step = tf.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], axis=-1)
    return tf.math.divide_no_nan(step, determinant[:, None])


def neighbours(
    maps: tf.Tensor, x: tf.Tensor, y: tf.Tensor, size: tuple[int, int]
) -> Callable[[int, int], tf.Tensor]:
    """A function that reads `maps` at an offset from (x, y), clamped to the border."""
    height, width = size

    def at(right: int, down: int) -> tf.Tensor:
        column = tf.clip_by_value(x + right, 0, width - 1)
        row = tf.clip_by_value(y + down, 0, height - 1)
        return tf.gather(maps, row * width + column, batch_dims=1)

    return at
