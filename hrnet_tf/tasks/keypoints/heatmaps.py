"""Keypoints to Gaussian heatmaps and back.

Everything is TensorFlow, so that targets are drawn inside the compiled training step
and decoding can be exported.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf

Refinement = Literal["none", "quarter", "dark"]
REFINEMENTS = get_args(Refinement)


@dataclass(frozen=True)
class HeatmapCodec:
    """Keypoints in crop pixels <-> heatmaps.

    Attributes:
        stride: crop pixels per heatmap cell.
        sigma: standard deviation of a target's Gaussian, in cells (2 for crops 192
            pixels wide, 3 for 288).
        refinement: what `decode` adds to the highest cell: `"none"`, `"quarter"` (a
            quarter cell towards the higher neighbour) or `"dark"` (the maximum of a
            parabola through the smoothed log-heatmap).

    Sources: Xiao et al., https://arxiv.org/abs/1804.06208, section 3 (targets, quarter
    offset); Zhang et al., https://arxiv.org/abs/1910.06278, section 3.2 (DARK).

    Example:
        ```python
        codec = HeatmapCodec(stride=4, sigma=2.0)
        points = tf.constant([[[96.0, 128.0, 1.0]]])      # one person, one keypoint
        heatmaps, weights = codec.encode(points, (64, 48))
        cells, scores = codec.decode(heatmaps)            # [[[24.0, 32.0]]], [[1.0]]
        ```
    """

    stride: int = 4
    sigma: float = 2.0
    refinement: Refinement = "quarter"

    def __post_init__(self):
        if self.refinement not in REFINEMENTS:
            raise ValueError(
                f"`refinement` must be one of {REFINEMENTS}, got {self.refinement!r}."
            )
        if self.stride < 1 or self.sigma <= 0:
            raise ValueError(f"`stride` and `sigma` must be positive, got {self}.")

    def encode(
        self, keypoints: tf.Tensor, size: tuple[int, int]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw one Gaussian a visible keypoint, cut off at three sigma, with peak 1.

        Args:
            keypoints: float `(batch, keypoints, 3)`: x, y in crop pixels, and the
                weight (0 for keypoints that are not annotated).
            size: height and width of the heatmaps.

        Returns:
            Heatmaps `(batch, height, width, keypoints)` in [0, 1] and weights
            `(batch, keypoints)`: 0 also where a whole Gaussian lies outside.
        """
        height, width = size
        radius = int(3 * self.sigma)
        # Truncation towards zero, not floor: the official code draws points up to one
        # and a half cells left of the map in column 0.
        cells = tf.cast(
            tf.cast(keypoints[..., :2] / self.stride + 0.5, tf.int32), tf.float32
        )
        limits = tf.constant([width, height], tf.float32)
        inside = tf.reduce_all(
            (cells - radius < limits) & (cells + radius + 1 >= 0), axis=-1
        )
        weights = keypoints[..., 2] * tf.cast(inside, tf.float32)
        drawn = tf.cast(weights > 0, tf.float32)[:, None]
        columns = self._bump(cells[..., 0], width, radius) * drawn
        rows = self._bump(cells[..., 1], height, radius)
        return rows[:, :, None] * columns[:, None], weights

    def _bump(self, centers: tf.Tensor, length: int, radius: int) -> tf.Tensor:
        """Gaussians along one side, `(batch, length, keypoints)`."""
        distance = tf.range(length, dtype=tf.float32)[:, None] - centers[:, None]
        bump = tf.exp(-tf.square(distance) / (2 * self.sigma**2))
        return tf.where(tf.abs(distance) <= radius, bump, 0.0)

    def decode(self, heatmaps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Find each keypoint in its heatmap.

        Args:
            heatmaps: float `(batch, height, width, keypoints)`.

        Returns:
            float32 x and y in heatmap cells, `(batch, keypoints, 2)`, and scores (the
            highest values), `(batch, keypoints)`. Where no value is above 0 the
            position is cell (0, 0).
        """
        _, height, width, keypoints = heatmaps.shape
        maps = tf.reshape(tf.transpose(heatmaps, (0, 3, 1, 2)), (-1, height * width))
        index = tf.argmax(maps, axis=-1, output_type=tf.int32)
        scores = tf.reduce_max(maps, axis=-1)
        index = tf.where(scores > 0, index, 0)
        x, y = index % width, index // width
        cells = tf.cast(tf.stack([x, y], axis=-1), tf.float32)
        if self.refinement == "quarter":
            cells += quarter_offset(maps, x, y, (height, width))
        elif self.refinement == "dark":
            smooth = smooth_logarithm(heatmaps, self.sigma)
            smooth = tf.reshape(
                tf.transpose(smooth, (0, 3, 1, 2)), (-1, height * width)
            )
            cells += parabola_offset(smooth, x, y, (height, width))
        return tf.reshape(cells, (-1, keypoints, 2)), tf.reshape(
            scores, (-1, keypoints)
        )

    def in_pixels(self, cells: Any) -> Any:
        """Crop pixels of positions in heatmap cells, an array or a tensor."""
        return cells * float(self.stride)


def quarter_offset(
    maps: tf.Tensor, x: tf.Tensor, y: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """A quarter cell towards the higher neighbour in x and in y.

    Args:
        maps: `(n, height * width)`.
        x: int32 `(n,)`, the column of each maximum.
        y: int32 `(n,)`, its row.
        size: height and width.

    Returns:
        float32 `(n, 2)`; 0 for maxima on the border or next to the first row or column.
    """
    height, width = size
    at = _neighbours(maps, x, y, size)
    slope = tf.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], axis=-1)
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    return tf.where(inside[:, None], 0.25 * tf.sign(slope), 0.0)


def smooth_logarithm(heatmaps: tf.Tensor, sigma: float) -> tf.Tensor:
    """Heatmaps blurred to a Gaussian's shape at their old height, as logarithms."""
    kernel = gaussian_kernel(int(6 * sigma - 1) // 2 * 2 + 1)
    channels = heatmaps.shape[-1]
    kernel = np.repeat(kernel[:, None, None], channels, axis=-1)[..., None]
    blurred = heatmaps
    for filters in (kernel, kernel.transpose(1, 0, 2, 3)):
        blurred = tf.nn.depthwise_conv2d(blurred, filters, (1, 1, 1, 1), "SAME")
    peak = tf.reduce_max(heatmaps, axis=(1, 2), keepdims=True)
    blurred *= tf.math.divide_no_nan(
        peak, tf.reduce_max(blurred, axis=(1, 2), keepdims=True)
    )
    return tf.math.log(tf.maximum(blurred, 1e-10))


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
    at = _neighbours(maps, x, y, size)
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


def _neighbours(maps, x, y, size):
    """A function that reads `maps` at an offset from (x, y), clamped to the border."""
    height, width = size

    def at(right: int, down: int) -> tf.Tensor:
        column = tf.clip_by_value(x + right, 0, width - 1)
        row = tf.clip_by_value(y + down, 0, height - 1)
        return tf.gather(maps, row * width + column, batch_dims=1)

    return at
