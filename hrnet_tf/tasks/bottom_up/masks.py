"""Where heatmaps count: not in crowds, nor on people without annotated keypoints."""

from collections.abc import Sequence
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
    if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
        raise InputError(
            f"its run lengths cover {sum(counts)} pixels, the image has "
            f"{size[0] * size[1]}"
        )
    return outline


def counted_pixels(hidden: Sequence[Any], size: tuple[int, int]) -> np.ndarray:
    """Which pixels of an image count, bool `(height, width)`.

    Args:
        hidden: outlines of what does not; see `check_outline`.
        size: height and width.
    """
    counted = np.ones(size, bool)
    for outline in hidden:
        if isinstance(outline, dict) and isinstance(outline["counts"], str):
            parts = [outline]
        else:
            found = run_lengths.frPyObjects(outline, *size)
            parts = found if isinstance(found, list) else [found]
        for part in parts:
            counted &= run_lengths.decode(part) == 0
    return counted
