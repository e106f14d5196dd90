"""Candidates to people: whose tags are alike belongs together.

Source: Newell et al., Associative Embedding, https://arxiv.org/abs/1611.05424, section
3.2; order, thresholds and ties are those of the official HigherHRNet program.
"""

from dataclasses import dataclass

import numpy as np

from .assignment import assign
from .maps import PeopleMaps
from .peaks import find_peaks

# In which order keypoints find their people: trunk and head first. The official program
# takes the first as many of it as there are keypoints.
ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)

NOBODY = 1e10  # what it costs to be no person's keypoint


@dataclass(frozen=True)
class Grouping:
    """How candidates are chosen and put together.

    Attributes:
        most: candidates a keypoint, and people that a candidate is compared with.
        threshold: candidates must have a higher value.
        tag_threshold: candidates whose tag is farther from a person's are another's.
        window: a candidate is the highest in a square of this many cells.
        adjust: move keypoints by a quarter cell towards the higher neighbour.
        refine: look for keypoints that a person lacks.
    """

    most: int = 30
    threshold: float = 0.1
    tag_threshold: float = 1.0
    window: int = 5
    adjust: bool = True
    refine: bool = True


@dataclass(frozen=True)
class Candidates:
    """The highest places of each keypoint's heatmap, sorted, the best first.

    Attributes:
        x: int64 `(keypoints, most)`, columns.
        y: int64 `(keypoints, most)`, rows.
        values: float32 `(keypoints, most)`; 0 where there is none.
        tags: float32 `(keypoints, most, kinds)`; 0 where there is none.
    """

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    tags: np.ndarray


def find_candidates(maps: PeopleMaps, settings: Grouping) -> Candidates:
    """Find where heatmaps are higher than around, and higher than the threshold."""
    x, y, keypoints, values = find_peaks(maps, settings.threshold, settings.window)
    order = np.lexsort((-values, keypoints))
    x, y, keypoints, values = (each[order] for each in (x, y, keypoints, values))
    first = np.searchsorted(keypoints, np.arange(maps.keypoints))
    rank = np.arange(len(keypoints)) - first[keypoints]
    kept = rank < settings.most
    x, y, keypoints, values = (each[kept] for each in (x, y, keypoints, values))

    def spread(numbers: np.ndarray) -> np.ndarray:
        shape = (maps.keypoints, settings.most, *numbers.shape[1:])
        found = np.zeros(shape, numbers.dtype)
        found[keypoints, rank[kept]] = numbers
        return found

    tags = maps.tags_at(x, y, keypoints)
    return Candidates(*map(spread, (x, y, values, tags)))


def order_of(count: int) -> tuple[int, ...]:
    """In which order so many keypoints find their people."""
    return ORDER[:count] + tuple(range(len(ORDER), count))


def match_by_tag(candidates: Candidates, settings: Grouping) -> np.ndarray:
    """Put candidates together to people.

    Returns:
        float32 `(people, keypoints, 3 + kinds)`: x, y, value and tags in heatmap cells;
        zeros where a person has no such keypoint.
    """
    count, _, kinds = candidates.tags.shape
    people = _People(count, kinds)
    for keypoint in order_of(count):
        real = candidates.values[keypoint] > settings.threshold
        if not real.any():
            continue
        found = np.concatenate(
            [
                candidates.x[keypoint, real, None],
                candidates.y[keypoint, real, None],
                candidates.values[keypoint, real, None],
                candidates.tags[keypoint, real],
            ],
            axis=1,
        ).astype(np.float64)
        owners = people.owners_of(found, settings)
        for row, owner in zip(found, owners, strict=True):
            people.add(owner, keypoint, row)
    return people.as_array()


class _People:
    """Who has been found so far."""

    def __init__(self, count: int, kinds: int):
        self.shape = (count, 3 + kinds)
        self.found: list[np.ndarray] = []
        self.sums: list[np.ndarray] = []  # of each one's tags
        self.counts: list[int] = []
        self._by_tag: dict[float, int] = {}  # who began with this tag

    def owners_of(self, found: np.ndarray, settings: Grouping) -> list[int | None]:
        """Whom each candidate belongs to; None: to somebody new."""
        known = min(len(self.found), settings.most)
        if not known:
            return [None] * len(found)
        means = np.array(self.sums[:known]) / np.array(self.counts[:known])[:, None]
        apart = found[:, None, 3:] - means
        distances = np.sqrt(np.einsum("ijk,ijk->ij", apart, apart))
        cost = np.full((len(found), max(known, len(found))), NOBODY)
        cost[:, :known] = np.round(distances) * 100 - found[:, 2:3]
        return [
            int(column)
            if column < known and distances[row, column] < settings.tag_threshold
            else None
            for row, column in enumerate(assign(cost))
        ]

    def add(self, owner: int | None, keypoint: int, row: np.ndarray) -> None:
        """Give a candidate to its owner, or to whoever began with the same tag."""
        if owner is None:
            owner = self._by_tag.setdefault(float(row[3]), len(self.found))
            if owner == len(self.found):
                self.found.append(np.zeros(self.shape))
                self.sums.append(np.zeros(len(row) - 3))
                self.counts.append(0)
            self.sums[owner], self.counts[owner] = np.zeros(len(row) - 3), 0
        self.found[owner][keypoint] = row
        self.sums[owner] = self.sums[owner] + row[3:]
        self.counts[owner] += 1

    def as_array(self) -> np.ndarray:
        """All of them, float32 `(people, keypoints, 3 + kinds)`."""
        found = np.array(self.found, np.float32)
        return found.reshape(len(self.found), *self.shape)


def adjust(people: np.ndarray, maps: PeopleMaps) -> np.ndarray:
    """Move keypoints by a quarter cell towards the higher neighbour, and to its middle.

    Args:
        people: float32 `(people, keypoints, 3 + kinds)`; see `match_by_tag`.
        maps: that they were found in.
    """
    moved = people.copy()
    person, keypoint = np.nonzero(people[..., 2] > 0)
    x, y = people[person, keypoint, :2].astype(np.int64).T
    moved[person, keypoint, :2] += towards_higher(maps, x, y, keypoint)
    return moved


def towards_higher(
    maps: PeopleMaps, x: np.ndarray, y: np.ndarray, keypoint: np.ndarray
) -> np.ndarray:
    """From corners of cells half a cell on, and a quarter more or less.

    Args:
        maps: of the image.
        x: int64 `(n,)`, columns.
        y: int64 `(n,)`, rows.
        keypoint: int64 `(n,)`, whose.

    Returns:
        float32 `(n, 2)`, in x and in y: 0.75 where the next cell is higher than the one
        before, else 0.25.
    """
    height, width = maps.size
    right = maps.values_at(np.minimum(x + 1, width - 1), y, keypoint)
    left = maps.values_at(np.maximum(x - 1, 0), y, keypoint)
    below = maps.values_at(x, np.minimum(y + 1, height - 1), keypoint)
    above = maps.values_at(x, np.maximum(y - 1, 0), keypoint)
    higher = np.stack([right > left, below > above], axis=-1)
    return np.where(higher, 0.75, 0.25).astype(np.float32)


def group(
    maps: PeopleMaps,
    settings: Grouping = Grouping(),
) -> tuple[np.ndarray, np.ndarray]:
    """Find all people in merged maps.

    Args:
        maps: of one image.
        settings: how.

    Returns:
        People, float32 `(people, keypoints, 3 + kinds)`: x, y (in heatmap cells, from
        the corner of the first one if `adjust` is set), value and tags; and their
        scores, `(people,)`: the mean of the keypoints' values, before any is refined.

    Example:
        ```python
        maps = merge([Seen(outputs)], keypoint_set.mirror, (512, 512), 0)
        people, scores = group(maps)
        ```
    """
    from .refine import refine

    people = match_by_tag(find_candidates(maps, settings), settings)
    if settings.adjust:
        people = adjust(people, maps)
    scores = people[..., 2].mean(axis=1)
    if settings.refine:
        people = refine(people, maps)
    return people, scores
