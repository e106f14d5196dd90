"""Keypoints that a person lacks: where the heatmap is high and the tag is like theirs.

The best place is looked for in the whole image, for each keypoint that each person
lacks. Bounds of heatmaps and tags, in blocks of places and in groups of blocks, tell
where it cannot be, so that few places are looked at; the result is that of looking
everywhere.
"""

import numpy as np

from .filters import highest, lowest
from .grouping import towards_higher
from .maps import PeopleMaps, resized

BLOCK = 4  # places along a side of a block, which is a cell of the tags
GROUP = 8  # blocks along a side of a group
FIRST_GROUPS, FIRST_BLOCKS = 4, 32  # that are looked into first
MOST_BLOCKS = 2048  # with more of them left, everywhere is quicker

# What rounding may do to a distance of tags.
SLACK = 1e-3

# A block's places in a line, by the cells of twice the size that they lie between: the
# block's two, and one on either side. Those of the tags are four times the size; they
# are resized to these first.
OF_HALVES = np.array([[1, 3, 0, 0], [0, 3, 1, 0], [0, 1, 3, 0], [0, 0, 3, 1]], "f4") / 4
OF_TAGS = OF_HALVES @ (np.array([[3, 1, 0], [1, 3, 0], [0, 3, 1], [0, 1, 3]], "f4") / 4)


def refine(people: np.ndarray, maps: PeopleMaps) -> np.ndarray:
    """Fill in keypoints that people lack.

    Args:
        people: float32 `(people, keypoints, 3 + kinds)`; see `grouping.match_by_tag`.
        maps: they were found in.

    Returns:
        The same with more keypoints: for each that was missing the place with the
        highest value less the rounded distance of its tag from the person's mean one,
        if the value there is above 0.
    """
    found = people.copy()
    person, keypoint = np.nonzero(people[..., 2] == 0)
    if not len(person):
        return found
    means = mean_tags(people, maps)[person]
    x, y = best_places(maps, keypoint, means)
    values = maps.values_at(x, y, keypoint)
    filled = values > 0
    person, keypoint, x, y = (each[filled] for each in (person, keypoint, x, y))
    places = np.stack([x, y], axis=-1) + towards_higher(maps, x, y, keypoint)
    found[person, keypoint, :2] = places
    found[person, keypoint, 2] = values[filled]
    return found


def mean_tags(people: np.ndarray, maps: PeopleMaps) -> np.ndarray:
    """Each person's mean tag at the places of their keypoints, float32 `(n, kinds)`."""
    person, keypoint = np.nonzero(people[..., 2] > 0)
    x, y = people[person, keypoint, :2].astype(np.int64).T
    height, width = maps.size
    tags = maps.tags_at(np.minimum(x, width - 1), np.minimum(y, height - 1), keypoint)
    sums = np.zeros((len(people), tags.shape[1]), np.float32)
    np.add.at(sums, person, tags)
    counts = (people[..., 2] > 0).sum(axis=1)
    return sums / np.maximum(counts, 1)[:, None].astype(np.float32)


def best_places(
    maps: PeopleMaps, keypoint: np.ndarray, means: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the value less the rounded distance of tags is highest.

    Args:
        maps: of an image.
        keypoint: int64 `(n,)`, which is looked for.
        means: float32 `(n, kinds)`, the tag that it should have.

    Returns:
        Columns and rows, int64 `(n,)`; of equally good places the first one.
    """
    rows, columns = maps.tags.shape[:2]
    doubled, grid = (2 * rows, 2 * columns), (BLOCK * rows, BLOCK * columns)
    even = rows % GROUP == 0 and columns % GROUP == 0
    if doubled == maps.half and grid == maps.size and even:
        return _Bounded(maps, keypoint, means).best()
    return _everywhere(maps, keypoint, means)


def _everywhere(
    maps: PeopleMaps, keypoint: np.ndarray, means: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found = np.zeros((2, len(keypoint)), np.int64)
    for index, (k, mean) in enumerate(zip(keypoint, means, strict=True)):
        tags = resized(maps.tags_of(k), maps.size)
        distance = np.sqrt(np.square(tags - mean).sum(axis=-1))
        own = np.ascontiguousarray(maps.heatmaps[..., k, None])
        scores = resized(own, maps.size)[..., 0] - np.rint(distance)
        found[::-1, index] = np.unravel_index(scores.argmax(), scores.shape)
    return found[0], found[1]


class _Bounded:
    """Looks for many at once, where the highest bounds are."""

    def __init__(self, maps: PeopleMaps, keypoint: np.ndarray, means: np.ndarray):
        self.maps, self.keypoint, self.means = maps, keypoint, means
        used, self.plane = np.unique(keypoint, return_inverse=True)
        channels = used[:, None] + maps.keypoints * np.arange(maps.kinds)
        tags = maps.tags.take(channels.ravel(), axis=2)
        # Places of a block lie between its own tags and those around.
        square = np.ones((3, 3), np.uint8)
        low, high = lowest(tags, square), highest(tags, square)
        values = _highest_values(maps).take(used, axis=2)
        kinds = (len(used), maps.kinds)
        self.of_groups = (
            _of_groups(values, np.maximum),
            _of_groups(low, np.minimum).reshape(*kinds, -1),
            _of_groups(high, np.maximum).reshape(*kinds, -1),
        )
        self.highest = _grouped(values)
        self.low, self.high = (
            _grouped(each).reshape(*kinds, -1, GROUP * GROUP) for each in (low, high)
        )
        rows, columns = maps.tags.shape[:2]
        numbers = np.arange(rows * columns).reshape(rows, columns, 1)
        self.numbers = _grouped(numbers)[0]

    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """See `best_places`."""
        count = len(self.keypoint)
        own = np.arange(count)[:, None]
        of_groups = self._bounds_of_groups()
        groups = np.argsort(-of_groups, axis=1)[:, :FIRST_GROUPS]
        blocks, bounds = self._blocks(np.broadcast_to(own, groups.shape), groups)
        bounds, blocks = bounds.reshape(count, -1), blocks.reshape(count, -1)
        first = np.argsort(-bounds, axis=1)[:, :FIRST_BLOCKS]
        chosen = blocks[own, first]
        search = np.broadcast_to(own, chosen.shape).ravel()
        *_, scores = self._look(search, chosen.ravel())
        least = scores.reshape(count, -1).max(axis=1)

        search, group = np.nonzero(of_groups >= least[:, None])
        blocks, bounds = self._blocks(search, group)
        pair, inner = np.nonzero(bounds >= least[search][:, None])
        search, blocks = search[pair], blocks[pair, inner]
        many = np.bincount(search, minlength=count) > MOST_BLOCKS
        few = ~many[search]
        x, y = self._first_best(search[few], blocks[few])
        if many.any():
            limits = self.keypoint[many], self.means[many]
            x[many], y[many] = _everywhere(self.maps, *limits)
        return x, y

    def _bounds_of_groups(self) -> np.ndarray:
        """No score in a group is higher, `(searches, groups)`."""
        highest, low, high = (each[self.plane] for each in self.of_groups)
        return _bounds(highest, low, high, self.means[:, :, None])

    def _blocks(
        self, search: np.ndarray, group: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """All blocks of a group for each search, and bounds, `(..., blocks)`."""
        plane = self.plane[search]
        # Kinds behind the searches, blocks last.
        low, high = (each[plane, :, group] for each in (self.low, self.high))
        means = self.means[search][..., None]
        highest = self.highest[plane, group]
        return self.numbers[group], _bounds(highest, low, high, means)

    def _look(
        self, search: np.ndarray, blocks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns, rows and scores of all places in blocks, `(n, places of each)`."""
        row, column = np.divmod(blocks, self.maps.tags.shape[1])
        inner = np.arange(BLOCK * BLOCK)
        y = BLOCK * row[:, None] + inner // BLOCK
        x = BLOCK * column[:, None] + inner % BLOCK
        keypoint = self.keypoint[search]
        kinds = keypoint[:, None] + self.maps.keypoints * np.arange(self.maps.kinds)
        tags = _between(_around(self.maps.tags, row, column, 1, 3, kinds), OF_TAGS)
        apart = tags.reshape(*x.shape, self.maps.kinds) - self.means[search][:, None]
        distance = np.sqrt(np.square(apart).sum(axis=-1))
        heatmaps, own = self.maps.heatmaps, keypoint[:, None]
        if heatmaps.shape[:2] == self.maps.half:
            cells = _around(heatmaps, 2 * row, 2 * column, 1, 4, own)
            values = _between(cells, OF_HALVES)
        else:
            values = _around(heatmaps, BLOCK * row, BLOCK * column, 0, BLOCK, own)
        return x, y, values.reshape(x.shape) - np.rint(distance)

    def _first_best(
        self, search: np.ndarray, blocks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best place of each search among blocks; 0 where it has none."""
        x, y, scores = self._look(search, blocks)
        highest = np.full(len(self.keypoint), -np.inf, np.float32)
        np.maximum.at(highest, search, scores.max(axis=1))
        block, inner = np.nonzero(scores == highest[search][:, None])
        columns, rows, owner = x[block, inner], y[block, inner], search[block]
        order = np.lexsort((columns, rows, owner))[::-1]  # the first one is put last
        found = np.zeros((2, len(self.keypoint)), np.int64)
        found[:, owner[order]] = columns[order], rows[order]
        return found[0], found[1]


def _around(
    maps: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    before: int,
    side: int,
    channels: np.ndarray,
) -> np.ndarray:
    """Squares of cells, those at the edge for those beyond it, `(n, side, side, c)`.

    Args:
        maps: `(rows, columns, channels)`.
        row: int64 `(n,)`, of the first cell of a block.
        column: the same.
        before: how many cells before that one a square begins.
        side: of a square, in cells.
        channels: int64 `(n, c)`, which are taken of each.
    """
    steps = np.arange(side) - before
    rows = np.clip(row[:, None] + steps, 0, maps.shape[0] - 1)
    columns = np.clip(column[:, None] + steps, 0, maps.shape[1] - 1)
    cells = rows[:, :, None] * maps.shape[1] + columns[:, None]
    places = cells[..., None] * maps.shape[2] + channels[:, None, None]
    return maps.reshape(-1).take(places)


def _between(cells: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Places of blocks, by the squares of cells that they lie between.

    Args:
        cells: `(n, side, side, c)`.
        shares: `(BLOCK, side)`, of each place along a side.
    """
    count, side, _, channels = cells.shape
    lines = shares @ cells.reshape(count, side, side * channels)
    return shares @ lines.reshape(count, BLOCK, side, channels)


def _highest_values(maps: PeopleMaps) -> np.ndarray:
    """No place of a block has a higher value, float32 `(rows, columns, keypoints)`."""
    if maps.heatmaps.shape[:2] == maps.half:  # places lie between the cells -1 to 2
        square = np.ones((4, 4), np.uint8)
        return highest(maps.heatmaps, square, anchor=(1, 1))[::2, ::2]
    square = np.ones((BLOCK, BLOCK), np.uint8)
    return highest(maps.everywhere(), square, anchor=(0, 0))[::BLOCK, ::BLOCK]


def _bounds(
    highest: np.ndarray, low: np.ndarray, high: np.ndarray, means: np.ndarray
) -> np.ndarray:
    """The highest value less the least rounded distance.

    Args:
        highest: values, `(..., n)`.
        low: tags from, `(..., kinds, n)`.
        high: tags to, `(..., kinds, n)`.
        means: `(..., kinds, 1)`.
    """
    apart = np.maximum(np.maximum(low - means, means - high), 0)
    nearest = np.sqrt(np.square(apart).sum(axis=-2))
    return highest - np.rint(np.maximum(nearest - SLACK, 0))


def _of_groups(blocks: np.ndarray, limit: np.ufunc) -> np.ndarray:
    """The highest or lowest of each group, `(channels, groups)`; see `_grouped`."""
    rows, columns = blocks.shape[:2]
    lines = limit.reduce(blocks.reshape(rows // GROUP, GROUP, -1), axis=1)
    found = limit.reduce(
        lines.reshape(-1, GROUP, blocks.size // (rows * columns)), axis=1
    )
    return found.T


def _grouped(blocks: np.ndarray) -> np.ndarray:
    """`(rows, columns, channels)` to `(channels, groups, blocks of each)`."""
    rows, columns = blocks.shape[:2]  # OpenCV 4 drops a single channel
    channels = blocks.size // (rows * columns)
    split = blocks.reshape(rows // GROUP, GROUP, columns // GROUP, GROUP, channels)
    return split.transpose(4, 0, 2, 1, 3).reshape(channels, -1, GROUP * GROUP)
