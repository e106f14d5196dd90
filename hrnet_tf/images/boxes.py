"""Boxes around people: which ones are taken, and how small they may become.

One rule for annotations, detections, Python and served models. A box is x, y, width and
height in pixels of its image: four finite numbers, width and height above 0. It covers
some of its image (`x < image width`, `y < image height`, `x + width > 0`, `y + height >
0`) and reaches beyond it, on every side, by at most `REACH` times the image's longer
side. A crop is never made of less than `SMALLEST` pixels: a smaller box is looked at as
if it were that large.
"""

import math
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError

# A crop without width has no map between image and crop pixels.
SMALLEST = 1.0
# Boxes around what the image cuts off reach far; numbers beyond this are mistakes.
REACH = 10.0

Box = tuple[float, float, float, float]

# What float32 holds: crops and keypoints are computed in it.
_LARGEST = float(np.finfo(np.float32).max)


def is_number(value: Any) -> bool:
    """Whether a value from JSON is a number that is finite, as float32 too."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return numeric and abs(value) <= _LARGEST


def check_box(box: Any) -> Box:
    """A box from JSON as four numbers.

    Args:
        box: a list of x, y, width, height.

    Raises:
        InputError: if it is missing, no box, or has no area.
    """
    if box is None:
        raise InputError("`bbox` is missing")
    if not isinstance(box, list) or len(box) != 4:
        raise InputError(
            f"`bbox` must be [x, y, width, height], got {shortened(str(box))}"
        )
    if not all(map(is_number, box)):
        raise InputError(f"`bbox` must hold four numbers, got {shortened(str(box))}")
    x, y, width, height = map(float, box)
    if width <= 0 or height <= 0:
        raise InputError(f"its box {box} has no area")
    return x, y, width, height


def check_place(box: Box, width: float, height: float, reach: float = REACH) -> None:
    """Raise an InputError unless a box lies where its image is.

    Args:
        box: x, y, width, height in image pixels.
        width: of the image.
        height: of the image.
        reach: how far the box may go beyond the image, in lengths of its longer side.
    """
    x, y, w, h = box
    shown = f"its box {[_plain(value) for value in box]}"
    size = f"the image of {_plain(width)}x{_plain(height)}"
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise InputError(f"{shown} lies outside {size}")
    if max(-x, -y, x + w - width, y + h - height) > reach * max(width, height):
        raise InputError(
            f"{shown} reaches beyond {size} by more than {reach:g} times its longer "
            "side"
        )


def clip_box(box: Any, width: float, height: float) -> Box:
    """A box clipped to its image, as the official code does (it loses one pixel).

    Args:
        box: x, y, width, height in image pixels.
        width: of the image.
        height: of the image.

    Returns:
        x, y, width, height; width and height may be 0, see `SMALLEST`.

    Raises:
        InputError: if the box is no box, has no area, or lies outside the image.
    """
    x, y, w, h = check_box(box)
    check_place((x, y, w, h), width, height)
    left, top = min(max(0.0, x), width - 1.0), min(max(0.0, y), height - 1.0)
    right = min(width - 1.0, left + max(0.0, w - 1))
    bottom = min(height - 1.0, top + max(0.0, h - 1))
    return left, top, right - left, bottom - top


def check_boxes(boxes: Any, width: int, height: int) -> np.ndarray:
    """Boxes of one image as float64 `(people, 4)`.

    Args:
        boxes: `(people, 4)`, x, y, width, height in pixels of the image.
        width: of the image.
        height: of the image.

    Raises:
        InputError: if they have another shape or type, or one breaks the rule.
    """
    numbers = _as_numbers(boxes, "Boxes", "(people, 4): x, y, width, height")
    if numbers.size == 0:
        return numbers.reshape(0, 4)
    if numbers.ndim != 2 or numbers.shape[1] != 4:
        raise InputError(
            "Boxes must have the shape (people, 4): x, y, width, height; got "
            f"{numbers.shape}."
        )
    for index, row in enumerate(numbers.tolist()):
        try:
            check_place(check_box(row), width, height)
        except InputError as error:
            raise InputError(f"Box {index}: {error}.") from None
    return numbers


def check_scores(scores: Any, people: int) -> np.ndarray:
    """Confidence in boxes as float64 `(people,)`.

    Raises:
        InputError: if they have another shape or type, or are not finite.
    """
    numbers = _as_numbers(scores, "`box_scores`", f"({people},)")
    if numbers.shape != (people,):
        raise InputError(f"`box_scores` must be ({people},), got {numbers.shape}.")
    if not np.isfinite(numbers).all():
        raise InputError(f"`box_scores` must be finite, got {numbers.tolist()}.")
    return numbers


def shortened(text: str, most: int = 80) -> str:
    """A text for a message: its beginning, if it is long."""
    return text if len(text) <= most else f"{text[:most]}..."


def _as_numbers(values: Any, what: str, shape: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} must be numbers of the shape {shape}: {error}."
        ) from None
    if array.dtype.kind not in "iuf" and array.size:
        raise InputError(
            f"{what} must be numbers of the shape {shape}, got "
            f"{shortened(str(array.tolist()))}."
        )
    return array.astype(np.float64)


def _plain(number: float) -> float | int:
    whole = math.isfinite(number) and number == int(number)
    return int(number) if whole else number
