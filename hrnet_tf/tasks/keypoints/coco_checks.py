"""What makes one sample broken: its ids, its image file, its keypoints."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import is_number, shortened


def is_id(value: Any) -> bool:
    """Whether a value from JSON can be an id: an integer that 64 bits hold."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and -(2**63) <= value < 2**63


def check_keypoints(flat: Any, count: int) -> np.ndarray:
    """COCO's flat list of x, y and visibility as float64 `(count, 3)`.

    Raises:
        InputError: if it is missing, has another length, or does not hold numbers.
    """
    if not flat:
        raise InputError("`keypoints` is missing")
    if not isinstance(flat, list):
        raise InputError(
            f"`keypoints` must be a list of numbers, got {shortened(repr(flat))}"
        )
    if len(flat) != 3 * count:
        raise InputError(
            f"{count} keypoints ({3 * count} numbers) are expected, found {len(flat)} "
            "numbers"
        )
    if wrong := [value for value in flat if not is_number(value)]:
        found = shortened(repr(wrong[0]))
        raise InputError(f"`keypoints` must hold numbers, got {found}")
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


def path_in(folder: str, name: str) -> str:
    """The path of an image by its name in a folder of images.

    Raises:
        InputError: if the name leads out of the folder.
    """
    if os.path.isabs(name) or ".." in name:
        root = os.path.abspath(folder)
        path = os.path.abspath(os.path.join(root, name))
        if os.path.commonpath([root, path]) != root:
            raise InputError(
                f"`file_name` {shortened(repr(name))} leads out of the folder of "
                f"images, {folder}; name one that holds all of them"
            )
    return str(Path(folder) / name)


def check_file(file: str, sizes: dict[str, int]) -> None:
    """Raise an InputError if an image is missing or empty; `sizes` saves a look-up."""
    size = sizes.get(file)
    if size is None:  # in a folder below, or not there
        size = os.path.getsize(file) if os.path.isfile(file) else None
    if size is None:
        raise InputError("the image file does not exist")
    if size == 0:
        raise InputError("the image file is empty")
