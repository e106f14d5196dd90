"""Outlines of objects as COCO has them: polygons, or run lengths by columns."""

from typing import Any

import numpy as np
from pycocotools import mask as run_lengths

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import is_number, shortened


def check_outline(outline: Any, size: tuple[int, int]) -> Any:
    """COCO's `segmentation` of an annotation, if it is one.

    Args:
        outline: a list of polygons (flat lists of x and y), or run lengths by columns:
            `counts` (a list, or compressed, text) and `size`.
        size: height and width of the image.

    Raises:
        InputError: if it is neither, or of another size.
    """
    if isinstance(outline, list):
        for polygon in outline:
            numbers = isinstance(polygon, list) and all(map(is_number, polygon))
            if not numbers or len(polygon) < 6 or len(polygon) % 2:
                raise InputError(
                    "`segmentation` must hold polygons, each at least three pairs of x "
                    f"and y, got {shortened(repr(polygon))}"
                )
        return outline
    counts = outline.get("counts") if isinstance(outline, dict) else None
    if not isinstance(counts, (list, str)) or len(outline.get("size", ())) != 2:
        raise InputError(
            "`segmentation` must be polygons or run lengths (`counts` and `size`), got "
            f"{shortened(repr(outline))}"
        )
    if tuple(outline["size"]) != tuple(size):
        raise InputError(
            f"its run lengths are of an image of {outline['size']} (height, width), "
            f"the image has {list(size)}"
        )
    lengths = counts if isinstance(counts, list) else _lengths(counts)
    if not all(is_number(length) and length >= 0 for length in lengths):
        raise InputError("its run lengths must be numbers that are not negative")
    if sum(lengths) != size[0] * size[1]:
        raise InputError(
            f"its run lengths cover {sum(lengths)} pixels, the image has "
            f"{size[0] * size[1]}"
        )
    return outline


def as_run_lengths(outline: Any, size: tuple[int, int]) -> dict[str, Any]:
    """An outline as compressed run lengths, one for all of its parts.

    Args:
        outline: of an annotation; see `check_outline`.
        size: height and width of the image.
    """
    if isinstance(outline, dict) and isinstance(outline["counts"], (str, bytes)):
        return outline
    found = run_lengths.frPyObjects(outline, *size)
    return run_lengths.merge(found) if isinstance(found, list) else found


def pixels_inside(outline: Any, size: tuple[int, int]) -> np.ndarray:
    """Which pixels of an image lie inside an outline, bool `(height, width)`.

    Args:
        outline: of an annotation; see `check_outline`.
        size: height and width of the image.
    """
    return run_lengths.decode(as_run_lengths(outline, size)).astype(bool)


def _lengths(text: str) -> list[int]:
    """Run lengths from COCO's compressed form, which pycocotools reads unchecked.

    A number is written in groups of five bits, the lowest first, each a character from
    `0` on with a sixth bit if there are more; from the third on it is the difference to
    the one before the last.
    """
    lengths: list[int] = []
    value = shift = 0
    for code in map(ord, text):
        group = code - 48
        if not 0 <= group < 64:
            raise InputError(
                f"its run lengths are no text of COCO's: {shortened(repr(text))}"
            )
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise InputError(f"its run lengths are cut off: {shortened(repr(text))}")
    return lengths
