"""Landmarks to heatmaps and back; positions are counted in cells of the heatmaps.

Everything is TensorFlow, so that targets are drawn inside the compiled training step
and decoding can be exported.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from hrnet_tf.tasks.keypoints.heatmaps import Refinement
from hrnet_tf.tasks.keypoints.peaks import (
    parabola_offset,
    smooth_logarithm,
    smoothing_length,
)

# Cells, where a landmark gets an empty map.
NOWHERE = -1e4


@dataclass(frozen=True)
class LandmarkCodec:
    """Landmarks in cells <-> heatmaps.

    Attributes:
        sigma: standard deviation of a target's Gaussian, in cells (1 for 300W, 1.5 for
            the other published networks).
        whole: whether Gaussians stand on whole cells, as the official program draws
            them, or anywhere.
        refinement: what `decode` adds to the highest cell; see
            `hrnet_tf.tasks.keypoints.heatmaps.HeatmapCodec`.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 6, and the official
    code.

    Example:
        ```python
        codec = LandmarkCodec(sigma=1.5)
        points = tf.constant([[[24.0, 32.0, 1.0]]])  # one face, one landmark
        heatmaps, weights = codec.encode(points, (64, 64))
        cells, scores = codec.decode(heatmaps)  # [[[24.0, 32.0]]], [[1.0]]
        ```
    """

    sigma: float = 1.5
    whole: bool = True
    refinement: Refinement = "quarter"

    def encode(
        self, landmarks: tf.Tensor, size: tuple[int, int]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw one Gaussian a landmark, cut off at three sigma, with peak 1.

        Args:
            landmarks: float `(batch, landmarks, 3)`: x, y in cells, and the weight.
            size: height and width of the heatmaps.

        Returns:
            Heatmaps `(batch, height, width, landmarks)` in [0, 1] and the weights
            `(batch, landmarks)`. The map of a landmark far outside is empty.
        """
        height, width = size
        landmarks = tf.cast(landmarks, tf.float32)
        columns = self._bump(landmarks[..., 0], width)
        rows = self._bump(landmarks[..., 1], height)
        return rows[:, :, None] * columns[:, None], landmarks[..., 2]

    def _bump(self, centers: tf.Tensor, length: int) -> tf.Tensor:
        """Gaussians along one side, `(batch, length, landmarks)`."""
        cells = tf.range(length, dtype=tf.float32)[:, None]
        centers = centers[:, None]
        reach = 3 * self.sigma
        if not self.whole:
            distance = cells - centers
            inside = tf.abs(distance) <= reach
            return tf.where(inside, self._height(distance), 0.0)
        # The official patch, whose ends are cut off towards zero: with a sigma of 1.5
        # it reaches farther before the landmark than behind it, and stands one cell
        # too far near the beginning of the map.
        first, end = _cut_off(centers - reach), _cut_off(centers + reach + 1)
        place = cells - first
        inside = (place >= 0) & (cells < end) & (place < int(np.ceil(2 * reach + 1)))
        middle = (2 * reach + 1) // 2
        return tf.where(inside, self._height(place - middle), 0.0)

    def _height(self, distance: tf.Tensor) -> tf.Tensor:
        return tf.exp(-tf.square(distance) / (2 * self.sigma**2))

    def decode(self, heatmaps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Find each landmark in its heatmap.

        Args:
            heatmaps: float `(batch, height, width, landmarks)`.

        Returns:
            float32 x and y in cells, `(batch, landmarks, 2)`, and scores (the highest
            values), `(batch, landmarks)`. Where no value is above 0 the position is
            (-1, -1), as the official program has it.
        """
        _, height, width, landmarks = heatmaps.shape
        maps = _flat(heatmaps)
        index = tf.argmax(maps, axis=-1, output_type=tf.int32)
        scores = tf.reduce_max(maps, axis=-1)
        x, y = index % width, index // width
        cells = tf.cast(tf.stack([x, y], axis=-1), tf.float32)
        if self.refinement == "quarter":
            cells += _quarter_offset(maps, x, y, (height, width))
        elif self.refinement == "dark":
            length = smoothing_length(self.sigma)
            smooth = _flat(smooth_logarithm(heatmaps, length))
            cells += parabola_offset(smooth, x, y, (height, width))
        cells = tf.where((scores > 0)[:, None], cells, -1.0)
        shape = (-1, landmarks, 2)
        return tf.reshape(cells, shape), tf.reshape(scores, shape[:2])


def _cut_off(values: tf.Tensor) -> tf.Tensor:
    """Whole numbers, cut off towards zero."""
    return tf.cast(tf.cast(values, tf.int32), tf.float32)


def _flat(heatmaps: tf.Tensor) -> tf.Tensor:
    """A map a row, `(batch * landmarks, height * width)`."""
    _, height, width, _ = heatmaps.shape
    return tf.reshape(tf.transpose(heatmaps, (0, 3, 1, 2)), (-1, height * width))


def _quarter_offset(
    maps: tf.Tensor, x: tf.Tensor, y: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """A quarter cell towards the higher neighbour, but for maxima on the border."""
    height, width = size

    def at(right: int, down: int) -> tf.Tensor:
        column = tf.clip_by_value(x + right, 0, width - 1)
        row = tf.clip_by_value(y + down, 0, height - 1)
        return tf.gather(maps, row * width + column, batch_dims=1)

    slope = tf.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], axis=-1)
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    return tf.where(inside[:, None], 0.25 * tf.sign(slope), 0.0)
