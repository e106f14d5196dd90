"""What makes one sample broken: its image file, its box, its keypoints."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.errors import InputError

Box = tuple[float, float, float, float]


def is_number(value: Any) -> bool:
    """Whether a value from JSON is a finite number."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return numeric and math.isfinite(value)


def is_id(value: Any) -> bool:
    """Whether a value from JSON can be an id: pycocotools takes integers only."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_box(box: Any) -> Box:
    """A box as four numbers.

    Raises:
        InputError: if it is missing, no box, or has no area.
    """
    if box is None:
        raise InputError("`bbox` is missing")
    if not isinstance(box, list) or len(box) != 4:
        raise InputError(f"`bbox` must be [x, y, width, height], got {box}")
    if not all(map(is_number, box)):
        raise InputError(f"`bbox` must hold four numbers, got {box}")
    x, y, width, height = map(float, box)
    if width <= 0 or height <= 0:
        raise InputError(f"its box {box} has no area")
    return x, y, width, height


def clip_box(box: Any, width: int, height: int) -> Box:
    """A box clipped to its image, as the official code does (it loses one pixel).

    Args:
        box: x, y, width, height in image pixels.
        width: of the image.
        height: of the image.

    Raises:
        InputError: if the box is no box, has no area, or lies outside the image.
    """
    x, y, w, h = check_box(box)
    left, top = max(0.0, x), max(0.0, y)
    right = min(width - 1.0, left + max(0.0, w - 1))
    bottom = min(height - 1.0, top + max(0.0, h - 1))
    if right < left or bottom < top or x + w <= 0 or y + h <= 0:
        raise InputError(
            f"its box {list(box)} lies outside the image of {width}x{height}"
        )
    return left, top, right - left, bottom - top


def check_keypoints(flat: Any, count: int) -> np.ndarray:
    """COCO's flat list of x, y and visibility as float64 `(count, 3)`.

    Raises:
        InputError: if it is missing, has another length, or does not hold numbers.
    """
    if not flat:
        raise InputError("`keypoints` is missing")
    if not isinstance(flat, list):
        raise InputError(f"`keypoints` must be a list of numbers, got {flat!r}")
    if len(flat) != 3 * count:
        raise InputError(
            f"{count} keypoints ({3 * count} numbers) are expected, found {len(flat)} "
            "numbers"
        )
    if wrong := [value for value in flat if not is_number(value)]:
        raise InputError(f"`keypoints` must hold numbers, got {wrong[0]!r}")
    return np.array(flat, np.float64).reshape(-1, 3)


def file_sizes(folder: Path) -> dict[str, int]:
    """Size in bytes of every file directly in a folder, in one pass.

    Raises:
        InputError: if there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder of images {folder}.")
    with os.scandir(folder) as entries:
        return {
            entry.path: entry.stat().st_size for entry in entries if entry.is_file()
        }


def check_file(file: Path, sizes: dict[str, int]) -> None:
    """Raise an InputError if an image is missing or empty; `sizes` saves a look-up."""
    size = sizes.get(str(file))
    if size is None:  # in a folder below, or not there
        size = file.stat().st_size if file.is_file() else None
    if size is None:
        raise InputError("the image file does not exist")
    if size == 0:
        raise InputError("the image file is empty")
