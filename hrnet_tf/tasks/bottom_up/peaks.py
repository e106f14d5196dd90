"""Where heatmaps are higher than around: few places are looked at to find all."""

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.tasks.bottom_up.maps import PeopleMaps

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def find_peaks(
    maps: PeopleMaps, threshold: float, window: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find places of the grid above a threshold that are the highest in their window.

    Args:
        maps: of one image.
        threshold: that values must exceed.
        window: side of the window, an odd number of cells of the grid.

    Returns:
        Columns, rows and keypoints, int64 `(n,)`, and values, float32 `(n,)`.
    """
    rows, columns, _ = maps.heatmaps.shape
    if (2 * rows, 2 * columns) == maps.size:
        x, y, keypoint, values = _between_cells(maps.heatmaps, threshold)
    else:
        x, y, keypoint, values = _above(maps, threshold)
    reach = range(-(window // 2), window // 2 + 1)
    steps = [(down, right) for down in reach for right in reach]
    # The nearest first: most places have a higher neighbour.
    for down, right in sorted(steps, key=lambda step: abs(step[0]) + abs(step[1]))[1:]:
        row = np.clip(y + down, 0, maps.size[0] - 1)
        column = np.clip(x + right, 0, maps.size[1] - 1)
        kept = values >= maps.values_at(column, row, keypoint)
        x, y, keypoint, values = x[kept], y[kept], keypoint[kept], values[kept]
    return x, y, keypoint, values


def _above(maps: PeopleMaps, threshold: float) -> tuple[np.ndarray, ...]:
    """All places of the grid above the threshold."""
    heatmaps = maps.everywhere()
    y, x, keypoint = np.nonzero(heatmaps > threshold)
    return x, y, keypoint, heatmaps[y, x, keypoint]


def _between_cells(heatmaps: np.ndarray, threshold: float) -> tuple[np.ndarray, ...]:
    """Places above the threshold and not below those to their left and right.

    The grid is twice as fine as the heatmaps. If a place is the highest around, the
    threshold is exceeded by the cell that it lies in or by one beside that: by the
    rule of bilinear interpolation the fourth cell that it depends on is lower then.
    """
    _, columns, count = heatmaps.shape
    near = np.flatnonzero(cv2.dilate(heatmaps, CROSS) > threshold)
    bordered = cv2.copyMakeBorder(heatmaps, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    flat = bordered.ravel()
    line = (columns + 2) * count
    row, rest = np.divmod(near, columns * count)
    # The first of the nine cells around each, in the bordered map.
    start = row * line + rest
    lines = [
        _twice_as_fine(
            *(flat[start + down * line + right * count] for right in range(3))
        )
        for down in range(3)
    ]
    most, least = np.float32(0.75), np.float32(0.25)
    found = []
    for down in (0, 1):
        beside = lines[2 * down]
        values = [
            least * other + most * own if down == 0 else most * own + least * other
            for own, other in zip(lines[1], beside, strict=True)
        ]
        for right in (1, 2):
            value = values[right]
            peak = (value > threshold) & (value >= values[right - 1])
            index = np.flatnonzero(peak & (value >= values[right + 1]))
            column, keypoint = np.divmod(rest[index], count)
            place = 2 * column + right - 1, 2 * row[index] + down
            found.append((*place, keypoint, value[index]))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _twice_as_fine(
    before: np.ndarray, cell: np.ndarray, after: np.ndarray
) -> list[np.ndarray]:
    """The two places in a cell and the one on either side, by three cells in a row."""
    most, least = np.float32(0.75), np.float32(0.25)
    return [
        most * before + least * cell,
        least * before + most * cell,
        most * cell + least * after,
        least * cell + most * after,
    ]
