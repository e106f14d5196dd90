"""Where heatmaps are higher than around: few places are looked at to find all."""

import numpy as np

from .filters import highest
from .maps import PeopleMaps

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

# Columns, rows and keypoints of places, int64 (n,), and values, float32 (n,).
Places = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def find_peaks(maps: PeopleMaps, threshold: float, window: int) -> Places:
    """Find places of the grid above a threshold that are the highest in their window.

    Args:
        maps: of one image.
        threshold: that values must exceed.
        window: side of the window, an odd number of cells of the grid.

    Returns:
        Columns, rows and keypoints, int64 `(n,)`, and values, float32 `(n,)`.
    """
    rows, columns, _ = maps.heatmaps.shape
    around = _steps(window)
    if (2 * rows, 2 * columns) == maps.size and around:
        found = _between_cells(maps.heatmaps, threshold)
        around = around[2:]
    else:
        found = _above(maps, threshold)
    for steps in around:
        found = _not_below(maps, found, steps)
    return found


def _steps(window: int) -> list[np.ndarray]:
    """Rows and columns from a place to those around it, `(2, n)`, the nearest first.

    Most places have a higher neighbour, so that few are compared with all others.
    """
    reach = np.arange(-(window // 2), window // 2 + 1)
    steps = np.stack(np.meshgrid(reach, reach, indexing="ij")).reshape(2, -1)
    farthest, straight = np.abs(steps).max(axis=0), np.abs(steps).sum(axis=0) == 1
    parts = [straight, (farthest == 1) & ~straight, farthest > 1]
    return [steps[:, part] for part in parts if part.any()]


def _not_below(maps: PeopleMaps, found: Places, steps: np.ndarray) -> Places:
    """Those places that are not below any that such a step leads to."""
    x, y, keypoint, values = found
    row = np.clip(y[:, None] + steps[0], 0, maps.size[0] - 1)
    column = np.clip(x[:, None] + steps[1], 0, maps.size[1] - 1)
    others = maps.values_at(column, row, keypoint[:, None])
    kept = (values[:, None] >= others).all(axis=1)
    return x[kept], y[kept], keypoint[kept], values[kept]


def _above(maps: PeopleMaps, threshold: float) -> Places:
    """All places of the grid above the threshold."""
    heatmaps = maps.everywhere()
    y, x, keypoint = np.nonzero(heatmaps > threshold)
    return x, y, keypoint, heatmaps[y, x, keypoint]


def _between_cells(heatmaps: np.ndarray, threshold: float) -> Places:
    """Places above the threshold and not below any of the eight around them.

    The grid is twice as fine as the heatmaps. If a place is the highest around, the
    threshold is exceeded by the cell that it lies in or by one beside that: by the
    rule of bilinear interpolation the fourth cell that it depends on is lower then.
    """
    rows, columns, count = heatmaps.shape
    above = (heatmaps > threshold).view(np.uint8)
    near = np.flatnonzero(highest(above, CROSS).view(bool))
    row, rest = np.divmod(near, columns * count)
    column, keypoint = np.divmod(rest, count)
    flat = heatmaps.ravel()
    across = [x * count + keypoint for x in _neighbours(column, columns)]
    lines = []
    for y in _neighbours(row, rows):
        line = y * (columns * count)
        cells = np.stack([flat.take(line + cell) for cell in across])
        lines.append(_twice_as_fine(cells))
    # Four by four places: the four of the cell, and those around.
    places = _twice_as_fine(np.stack(lines)).reshape(4, 4, len(near))
    found = []
    for down in (1, 2):
        for right in (1, 2):
            value = places[down, right]
            square = places[down - 1 : down + 2, right - 1 : right + 2]
            index = np.flatnonzero(
                (value > threshold) & (value >= square.max(axis=(0, 1)))
            )
            x, y = 2 * column[index] + right - 1, 2 * row[index] + down - 1
            found.append((x, y, keypoint[index], value[index]))
    x, y, keypoint, values = (
        np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    return x, y, keypoint, values


def _neighbours(cells: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    """The cell before, the cell and the one after it, of so many; never beyond."""
    return np.maximum(cells - 1, 0), cells, np.minimum(cells + 1, count - 1)


def _twice_as_fine(cells: np.ndarray) -> np.ndarray:
    """The two places in a cell and one on either side, `(4, ...)`, by three in a row.

    Args:
        cells: before, the cell and after it, float32 `(3, ...)`.
    """
    most, least = np.float32(0.75), np.float32(0.25)
    near, far = most * cells, least * cells
    return np.stack(
        [near[0] + far[1], far[0] + near[1], near[1] + far[2], far[1] + near[2]]
    )
