"""Keypoints to heatmaps and back.

Everything is TensorFlow, so that targets are drawn inside the compiled training step
and decoding can be exported.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.tasks.keypoints.encodings import (
    ENCODINGS,
    REFINEMENTS,
    Encoding,
    Refinement,
    check_refinement,
    is_unbiased,
)
from hrnet_tf.tasks.keypoints.peaks import (
    neighbours,
    newton_offset,
    parabola_offset,
    quarter_offset,
    reflected_blur,
    smooth_logarithm,
    smoothing_length,
)

# Of a disc of class 1 around a keypoint, as a share of the longer side of its map.
DISC = 0.0546875


@dataclass(frozen=True)
class HeatmapCodec:
    """Keypoints in crop pixels <-> heatmaps.

    Attributes:
        stride: crop pixels per heatmap cell.
        sigma: standard deviation of a target's Gaussian, in cells (2 for crops 192
            pixels wide, 3 for 288).
        refinement: what `decode` adds to the highest cell: `"none"`; `"quarter"`, a
            quarter cell towards the higher neighbours, where both axes have them;
            `"quarter_by_axis"`, the same for each axis by itself, as OpenMMLab does;
            `"dark"`, the maximum of a parabola through the smoothed log-heatmap;
            `"udp"`, the same by differences of single cells, up to the border.
        encoding: how targets are drawn: `"plain"`, a Gaussian around the nearest cell;
            `"dark"`, one around the exact place, over the whole map; `"udp"`, one
            around the exact place, cut off; `"udp_offsets"`, three maps a keypoint: a
            disc of ones, and how far right and down the keypoint is, in radii of the
            disc. The last two count lengths from the middle of the first pixel to that
            of the last one: their crops are cut so too, see `unbiased`.

    Sources: Xiao et al., https://arxiv.org/abs/1804.06208, section 3 (targets, quarter
    offset); Zhang et al., https://arxiv.org/abs/1910.06278, section 3 (DARK); Huang et
    al., https://arxiv.org/abs/1911.07524, sections 3 and 4 (UDP).

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
    encoding: Encoding = "plain"

    def __post_init__(self):
        for name, known in (("refinement", REFINEMENTS), ("encoding", ENCODINGS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"`{name}` must be one of {known}, got {getattr(self, name)!r}."
                )
        if self.stride < 1 or self.sigma <= 0:
            raise ValueError(f"`stride` and `sigma` must be positive, got {self}.")
        if problem := check_refinement(self.encoding, self.refinement):
            raise ValueError(f"HeatmapCodec: {problem}.")

    @property
    def has_offsets(self) -> bool:
        """Whether the network answers with offsets too."""
        return self.encoding == "udp_offsets"

    @property
    def maps_per_keypoint(self) -> int:
        """How many maps of the network a keypoint has."""
        return 3 if self.has_offsets else 1

    @property
    def unbiased(self) -> bool:
        """Whether lengths are counted from middle to middle of pixels (UDP)."""
        return is_unbiased(self.encoding)

    def pixels_per_cell(self, size: tuple[int, int]) -> np.ndarray:
        """Crop pixels from cell to cell in x and in y, float32 `(2,)`.

        Args:
            size: height and width of the heatmaps.
        """
        sides = np.array(size[::-1], np.float64)
        if not self.unbiased:
            return np.full(2, self.stride, np.float32)
        steps = (sides * self.stride - 1) / np.maximum(sides - 1, 1)
        return steps.astype(np.float32)

    def in_cells(self, points: Any, size: tuple[int, int]) -> Any:
        """Crop pixels `(..., 2)` to cells of heatmaps of a size (height, width)."""
        return points / self.pixels_per_cell(size)

    def in_pixels(self, cells: Any, size: tuple[int, int]) -> Any:
        """Cells `(..., 2)` of heatmaps of a size (height, width) to crop pixels."""
        return cells * self.pixels_per_cell(size)

    def encode(
        self, keypoints: tf.Tensor, size: tuple[int, int]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw the target of each visible keypoint: a Gaussian with peak 1, or a disc.

        Gaussians end at three sigma (`"dark"`: nowhere).

        Args:
            keypoints: float `(batch, keypoints, 3)`: x, y in crop pixels, and the
                weight (0 for keypoints that are not annotated).
            size: height and width of the heatmaps.

        Returns:
            Heatmaps `(batch, height, width, keypoints)` in [0, 1] and weights
            `(batch, keypoints)`: 0 also where a whole Gaussian lies outside. With
            offsets there are three maps a keypoint, one after another, and weights are
            those given.
        """
        points = self.in_cells(keypoints[..., :2], size)
        if self.has_offsets:
            return _discs(points, keypoints[..., 2], size), keypoints[..., 2]
        height, width = size
        # Truncation towards zero, not floor: the official code draws points up to one
        # and a half cells left of the map in column 0.
        nearest = tf.cast(tf.cast(points + 0.5, tf.int32), tf.float32)
        middles = points if self.encoding == "dark" else nearest
        peaks = nearest if self.encoding == "plain" else points
        radius = int(3 * self.sigma)
        limits = tf.constant([width, height], tf.float32)
        inside = tf.reduce_all(
            (middles - radius < limits) & (middles + radius + 1 >= 0), axis=-1
        )
        weights = keypoints[..., 2] * tf.cast(inside, tf.float32)
        drawn = tf.cast(weights > 0, tf.float32)[:, None]
        columns = self._bump(peaks[..., 0], nearest[..., 0], width) * drawn
        rows = self._bump(peaks[..., 1], nearest[..., 1], height)
        return rows[:, :, None] * columns[:, None], weights

    def _bump(self, peaks: tf.Tensor, nearest: tf.Tensor, length: int) -> tf.Tensor:
        """Gaussians along one side, `(batch, length, keypoints)`."""
        cells = tf.range(length, dtype=tf.float32)[:, None]
        bump = tf.exp(-tf.square(cells - peaks[:, None]) / (2 * self.sigma**2))
        if self.encoding == "dark":
            return bump
        radius = int(3 * self.sigma)
        return tf.where(tf.abs(cells - nearest[:, None]) <= radius, bump, 0.0)

    def decode(self, heatmaps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Find each keypoint in its heatmap.

        Args:
            heatmaps: float `(batch, height, width, keypoints)`; with offsets three maps
                a keypoint.

        Returns:
            float32 x and y in heatmap cells, `(batch, keypoints, 2)`, and scores (the
            highest values; with offsets those of smoothed discs, 0.35 if all is well),
            `(batch, keypoints)`. Where no value is above 0 the position is cell (0, 0).
        """
        _, height, width, count = heatmaps.shape
        size, length = (height, width), smoothing_length(self.sigma)
        if self.has_offsets:
            maps = _rows(reflected_blur(heatmaps[..., ::3], 2 * length + 1))
        else:
            maps = _rows(heatmaps)
        scores = tf.reduce_max(maps, axis=-1)
        index = tf.argmax(maps, axis=-1, output_type=tf.int32)
        index = tf.where(scores > 0, index, 0)
        x, y = index % width, index // width
        cells = tf.cast(tf.stack([x, y], axis=-1), tf.float32)
        step = tf.zeros_like(cells)
        if self.has_offsets:
            right, down = (
                neighbours(_rows(heatmaps[..., axis::3]), x, y, size)(0, 0)
                for axis in (1, 2)
            )
            step = tf.stack([right, down], axis=-1) * (DISC * max(size))
        elif self.refinement.startswith("quarter"):
            by_axis = self.refinement == "quarter_by_axis"
            step = quarter_offset(maps, x, y, size, by_axis)
        elif self.refinement == "dark":
            smooth = _rows(smooth_logarithm(heatmaps, length))
            step = parabola_offset(smooth, x, y, size)
        elif self.refinement == "udp":
            smooth = _rows(smooth_logarithm(heatmaps, length, (1e-3, 50.0)))
            step = newton_offset(smooth, x, y, size)
        if self.has_offsets or self.refinement == "udp":  # which move border cells too
            step = tf.where((scores > 0)[:, None], step, 0.0)
        keypoints = count // self.maps_per_keypoint
        cells = tf.reshape(cells + step, (-1, keypoints, 2))
        return cells, tf.reshape(scores, (-1, keypoints))


def flip_back(
    heatmaps: tf.Tensor,
    mirror: np.ndarray,
    shift: bool = False,
    encoding: Encoding = "plain",
) -> tf.Tensor:
    """Heatmaps of a mirrored image to those of the image.

    Args:
        heatmaps: `(batch, height, width, keypoints)`; with offsets three maps a
            keypoint.
        mirror: `(keypoints,)`, where each keypoint goes in a mirror.
        shift: move them one cell to the right, which makes up for coordinates that
            count from pixel corners; the first column stays.
        encoding: of the heatmaps; offsets to the right change their sign.

    Source: the official code; the shift is worth two points of AP there.
    """
    flipped = tf.reverse(heatmaps, [2])
    if encoding == "udp_offsets":
        order = (3 * np.asarray(mirror)[:, None] + np.arange(3)).ravel()
        signs = np.tile(np.array([1, -1, 1], np.float32), len(mirror))
        flipped = tf.gather(flipped, order, axis=-1) * signs
    else:
        flipped = tf.gather(flipped, mirror, axis=-1)
    return (
        tf.concat([flipped[:, :, :1], flipped[:, :, :-1]], axis=2) if shift else flipped
    )


def _discs(points: tf.Tensor, weights: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Targets with offsets, `(batch, height, width, 3 * keypoints)`.

    Args:
        points: `(batch, keypoints, 2)`, in cells.
        weights: `(batch, keypoints)`.
        size: height and width of the maps.
    """
    height, width = size
    radius = DISC * max(size)
    columns = tf.range(width, dtype=tf.float32)[None, None, :, None]
    rows = tf.range(height, dtype=tf.float32)[None, :, None, None]
    right = (points[:, None, None, :, 0] - columns) / radius
    down = (points[:, None, None, :, 1] - rows) / radius
    right, down = right + tf.zeros_like(down), down + tf.zeros_like(right)
    near = tf.cast(tf.square(right) + tf.square(down) <= 1, tf.float32)
    maps = tf.stack([near, right, down], axis=-1)
    maps *= tf.cast(weights > 0, tf.float32)[:, None, None, :, None]
    return tf.reshape(maps, (-1, height, width, 3 * points.shape[1]))


def _rows(heatmaps: tf.Tensor) -> tf.Tensor:
    """`(batch, height, width, keypoints)` to `(batch * keypoints, height * width)`."""
    _, height, width, _ = heatmaps.shape
    return tf.reshape(tf.transpose(heatmaps, (0, 3, 1, 2)), (-1, height * width))
