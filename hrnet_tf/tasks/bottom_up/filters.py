"""Maps resized, and the highest and lowest around each place: OpenCV's, or NumPy's.

Copies of this file lie beside exports, where there may be no OpenCV. What NumPy gives
there is the same to the last rounding, and takes longer.
"""

from typing import Any

import numpy as np

try:
    from hrnet_tf.common.opencv import cv2
except ImportError:  # in a copy
    cv2: Any = None  # type: ignore[no-redef]


def resize(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps `(rows, columns, channels)` to a height and width, bilinear, half-pixel."""
    if maps.shape[:2] == tuple(size):
        return maps
    if cv2 is not None:
        found = cv2.resize(maps, size[::-1], interpolation=cv2.INTER_LINEAR)
        return found.reshape(*size, -1)  # OpenCV drops a single channel
    for axis, length in enumerate(size):
        cells = maps.shape[axis]
        exact = (np.arange(length) + 0.5) * (cells / length) - 0.5
        exact = np.clip(exact, 0, cells - 1)
        low = exact.astype(np.int64)
        share = (exact - low).astype(np.float32)
        share = share[:, None, None] if axis == 0 else share[:, None]
        high = np.minimum(low + 1, cells - 1)
        maps = maps.take(low, axis) * (1 - share) + maps.take(high, axis) * share
    return maps


def highest(
    maps: np.ndarray, kernel: np.ndarray, anchor: tuple[int, int] = (-1, -1)
) -> np.ndarray:
    """The highest number around each place of maps `(rows, columns, channels)`.

    Args:
        maps: float32 or uint8.
        kernel: uint8, 1 where a place counts.
        anchor: column and row of the kernel that lie on the place; -1: its middle.
    """
    if cv2 is not None:
        return cv2.dilate(maps, kernel, anchor=anchor).reshape(maps.shape)
    rows, columns = maps.shape[:2]
    height, width = kernel.shape
    right, down = anchor if anchor[0] >= 0 else (width // 2, height // 2)
    around = [(down, height - 1 - down), (right, width - 1 - right), (0, 0)]
    padded = np.pad(maps, around, constant_values=_lowest_of(maps.dtype))
    parts = (padded[y : y + rows, x : x + columns] for y, x in np.argwhere(kernel))
    found = np.full(maps.shape, _lowest_of(maps.dtype), maps.dtype)
    for part in parts:
        np.maximum(found, part, out=found)
    return found


def lowest(maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The lowest number around each place of float maps, likewise."""
    if cv2 is not None:
        return cv2.erode(maps, kernel).reshape(maps.shape)
    return -highest(-maps, kernel)


def _lowest_of(dtype: np.dtype) -> float:
    return 0 if dtype.kind == "u" else -np.inf
