"""Segments of an image as one map of whole numbers: `class * 1000 + number`.

The number is 0 for stuff, and tells the things of a class apart from 1 on. Training,
evaluation and prediction all speak of segments so; files in COCO's format have ids of
their own (see `coco_panoptic.py`).
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects

DIVISOR = 1000
CROWD = DIVISOR - 1  # the number of regions with things that nobody tells apart
MOST = CROWD - 1  # things of a class in an image
VOID_CLASS = 255  # of pixels that do not count, or that nothing is known of
VOID = VOID_CLASS * DIVISOR


@dataclass(frozen=True)
class Segment:
    """A segment of an image.

    Attributes:
        value: in the map.
        label: index of its class.
        number: 0 for stuff; 1 and more for the things of this class.
        area: in pixels.
        box: x, y, width and height of the smallest box around it, in pixels.
    """

    value: int
    label: int
    number: int
    area: int
    box: tuple[int, int, int, int]


def labels_of(segments: np.ndarray) -> np.ndarray:
    """The class of each pixel, uint8; 255: void."""
    return (segments // DIVISOR).astype(np.uint8)


def numbers_of(segments: np.ndarray) -> np.ndarray:
    """Which thing of its class each pixel belongs to; 0: stuff, 999: a crowd."""
    return segments % DIVISOR


def counted(segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a map but for void, rising, and how many pixels each has."""
    values, areas = np.unique(segments, return_counts=True)
    known = values != VOID
    return values[known], areas[known]


def list_segments(segments: np.ndarray) -> list[Segment]:
    """The segments of a map, int32 `(height, width)`, in the order of their values."""
    values, places, areas = np.unique(segments, return_inverse=True, return_counts=True)
    windows = find_objects(places.reshape(segments.shape) + 1)
    found = []
    for value, area, (rows, columns) in zip(values, areas, windows, strict=True):
        if value != VOID:
            wide, high = columns.stop - columns.start, rows.stop - rows.start
            box = columns.start, rows.start, wide, high
            label, number = divmod(int(value), DIVISOR)
            found.append(Segment(int(value), label, number, int(area), box))
    return found
