"""What a network answers about one image, merged: heatmaps and tags.

OpenCV does the work: a map at a quarter of the size and one at a half, of the image and
of the mirrored one, become one in a few milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .filters import resize as resized

# By name, float32 (height, width, keypoints): `quarter_heatmaps` and `tags` at a
# quarter of the input's size, `heatmaps` at half of it.
Outputs = Mapping[str, np.ndarray]


ROWS = 16  # that are worked on at once, so that they stay in the processor's cache


@dataclass(frozen=True)
class Seen:
    """What a network answers about an image, and about the mirrored one.

    Attributes:
        outputs: of the image.
        mirrored: of the mirrored image, as they come; None: it was not looked at.
    """

    outputs: Outputs
    mirrored: Outputs | None = None


@dataclass(frozen=True)
class PeopleMaps:
    """Where keypoints of people are likely to be, and who each place belongs to.

    Both are looked up where they are needed, since most places never are.

    Attributes:
        size: height and width of the grid that people are looked for on.
        heatmaps: float32 `(rows, columns, keypoints)`; bilinear between their cells.
        tags: float32 `(rows, columns, keypoints * kinds)`, of coarser cells: the tags
            of the image, then those of the mirrored one.
        half: height and width of the maps between: tags are resized to these, and then
            to the grid.
    """

    size: tuple[int, int]
    heatmaps: np.ndarray
    tags: np.ndarray
    half: tuple[int, int]

    @property
    def keypoints(self) -> int:
        """How many there are."""
        return self.heatmaps.shape[-1]

    @property
    def kinds(self) -> int:
        """How many tags a place has for each keypoint."""
        return self.tags.shape[-1] // self.keypoints

    def values_at(self, x: np.ndarray, y: np.ndarray, keypoint: Any) -> np.ndarray:
        """Heatmaps at places of the grid.

        Args:
            x: int64 `(n,)`, columns.
            y: int64 `(n,)`, rows.
            keypoint: whose, an index or int64 `(n,)`.

        Returns:
            float32 `(n,)`.
        """
        rows, columns, _ = self.heatmaps.shape
        across = nearest_two(x, columns, self.size[1])
        found: Any = 0
        for row, share in nearest_two(y, rows, self.size[0]):
            line = sum(
                weight * self.heatmaps[row, column, keypoint]
                for column, weight in across
            )
            found = found + share * line
        return found

    def everywhere(self) -> np.ndarray:
        """Heatmaps on the whole grid, float32 `(height, width, keypoints)`."""
        return resized(self.heatmaps, self.size)

    def tags_of(self, keypoint: int) -> np.ndarray:
        """The tags of one keypoint at the size between, float32 `(h, w, kinds)`."""
        own = np.ascontiguousarray(self.tags[..., keypoint :: self.keypoints])
        return resized(own, self.half)

    def tags_at(
        self, x: np.ndarray, y: np.ndarray, keypoints: np.ndarray
    ) -> np.ndarray:
        """Tags at places of the grid, float32 `(n, kinds)`; see `values_at`."""
        channels = keypoints[:, None] + self.keypoints * np.arange(self.kinds)
        sizes = (self.tags.shape[:2], self.half, self.size)
        rows = _through(y, *(size[0] for size in sizes))
        columns = _through(x, *(size[1] for size in sizes))
        found = np.zeros((len(x), self.kinds), np.float32)
        for row, row_weight in rows:
            for column, weight in columns:
                near = self.tags[row[:, None], column[:, None], channels]
                found += near * (row_weight * weight)[:, None]
        return found


def merge(
    seen: Sequence[Seen], mirror: np.ndarray, size: tuple[int, int] | None, tagged: int
) -> PeopleMaps:
    """Average what is seen at all scales, in both resolutions, mirrored or not.

    Args:
        seen: at one scale after the other, the largest first.
        mirror: int64 `(keypoints,)`, where each keypoint goes in a mirror.
        size: height and width of the heatmaps; None: the network's own, of half of the
            input's sides at the largest scale.
        tagged: whose tags are taken, which of `seen`.

    Source: Cheng et al., https://arxiv.org/abs/1908.10357, section 3.4 (aggregation of
    heatmaps), and the official program.
    """
    halves = [_heatmaps(each, mirror) for each in seen]
    size = size or halves[0].shape[:2]
    heatmaps = halves[0]
    if len(halves) > 1:
        total = resized(halves[0], size)
        for half in halves[1:]:
            total = total + resized(half, size)
        heatmaps = total / np.float32(len(halves))
    chosen = seen[tagged]
    tags = [chosen.outputs["tags"]]
    if chosen.mirrored is not None:
        tags.append(_flipped_back(chosen.mirrored["tags"], mirror))
    tagged_size = halves[tagged].shape[:2]
    return PeopleMaps(size, heatmaps, np.concatenate(tags, axis=-1), tagged_size)


def _heatmaps(seen: Seen, mirror: np.ndarray) -> np.ndarray:
    """Both resolutions and both directions in one, at half of the input's size."""
    if "quarter_heatmaps" not in seen.outputs:  # a file has averaged them already
        return seen.outputs["heatmaps"]
    quarter, half = seen.outputs["quarter_heatmaps"], seen.outputs["heatmaps"]
    if seen.mirrored is None:
        merged = resized(quarter, half.shape[:2])
        merged += half
        merged *= np.float32(0.5)
        return merged
    both = _flipped_back(seen.mirrored["quarter_heatmaps"], mirror)
    both += quarter
    merged = resized(both, half.shape[:2])
    for first in range(0, len(half), ROWS):
        rows = slice(first, first + ROWS)
        part = _flipped_back(seen.mirrored["heatmaps"][rows], mirror)
        part += half[rows]
        part += merged[rows]
        np.multiply(part, np.float32(0.25), out=merged[rows])
    return merged


def _flipped_back(maps: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Maps of a mirrored image as they lie in the image."""
    rows, columns, count = maps.shape
    places = np.arange(columns)[::-1, None] * count + mirror
    return maps.reshape(rows, -1).take(places.ravel(), axis=1).reshape(maps.shape)


def _through(
    places: np.ndarray, cells: int, half: int, length: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cells and weights for places, resized from `cells` to `half` to `length`."""
    return [
        (inner, weight * inner_weight)
        for outer, weight in nearest_two(places, half, length)
        for inner, inner_weight in nearest_two(outer, cells, half)
    ]


def nearest_two(
    places: np.ndarray, cells: int, length: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two cells around each place of a bilinear resizing, and their weights.

    Args:
        places: int64 `(n,)`, of `length` ones.
        cells: how many there are before.
        length: how many there are afterwards.
    """
    if cells == length:
        return [(places, np.ones(np.shape(places), np.float32))]
    exact = np.clip((places + 0.5) * (cells / length) - 0.5, 0, cells - 1)
    low = exact.astype(np.int64)
    share = (exact - low).astype(np.float32)
    return [(low, 1 - share), (np.minimum(low + 1, cells - 1), share)]
