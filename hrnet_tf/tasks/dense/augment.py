"""Random crops of images with targets: only what is seen of a source is resized.

The result is that of resizing the whole image, padding it at the bottom and at the
right, cropping and mirroring, at a fraction of the cost.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.tasks.dense.config import DenseSection

NUMBERS = 4  # random ones that make a crop


class Cut(NamedTuple):
    """What to cut out of an image.

    Attributes:
        resized: height and width that the whole image would be resized to.
        top: first row of the crop in the resized image.
        left: first column.
        flip: whether the crop is mirrored.
    """

    resized: tuple[int, int]
    top: int
    left: int
    flip: bool


def random_cut(
    source: Sequence[int],
    size: tuple[int, int],
    section: DenseSection,
    chance: np.ndarray,
) -> Cut:
    """Draw a crop: its scale, its place, whether it is mirrored.

    Args:
        source: height and width of the image.
        size: height and width of the crop.
        section: how large images are made, and the range of scales.
        chance: `(4,)`, uniform in [0, 1).

    Source: the recipe of Wang et al., https://arxiv.org/abs/1908.07919, section 5.
    """
    low, high = section.augmentation.scale
    resized = scaled_size(source, size, section, low + chance[0] * (high - low))
    room = [max(0, whole - part) for whole, part in zip(resized, size, strict=True)]
    top, left = (int(chance[1 + axis] * (room[axis] + 1)) for axis in (0, 1))
    return Cut(
        resized, top, left, bool(chance[3] < section.augmentation.flip_probability)
    )


def scaled_size(
    source: Sequence[int], size: tuple[int, int], section: DenseSection, scale: float
) -> tuple[int, int]:
    """Height and width that an image is resized to at a scale.

    Args:
        source: its height and width.
        size: of the crop; what all images become first if their shape is not kept.
        section: the short side that images get first, and the long side at scale 1.
        scale: of the long side.
    """
    height, width = source if section.keep_aspect else size
    if section.short_side is not None:
        height, width = _proportional(
            height, width, section.short_side / min(height, width)
        )
    base = section.base_size or max(height, width)
    return _proportional(height, width, int(base * scale + 0.5) / max(height, width))


def _proportional(height: int, width: int, factor: float) -> tuple[int, int]:
    return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))


def cut_image(image: np.ndarray, cut: Cut, out: np.ndarray) -> None:
    """Cut a crop out of an image: bilinear, averaged where it shrinks to a half.

    Args:
        image: uint8 `(height, width, 3)`.
        cut: what to cut out.
        out: uint8 `(crop height, crop width, 3)`, zeros; gets the crop. What lies below
            or on the right of the image stays as it is.
    """
    height, width = _inside(cut, out)
    rows = _window(image.shape[0], cut.resized[0], cut.top, height)
    columns = _window(image.shape[1], cut.resized[1], cut.left, width)
    part = image[rows.first : rows.last, columns.first : columns.last]
    if rows.mean > 1 or columns.mean > 1:
        # Linear interpolation would leave out pixels.
        smaller = (part.shape[1] // columns.mean, part.shape[0] // rows.mean)
        part = cv2.resize(part, smaller, interpolation=cv2.INTER_AREA)
    matrix = np.array([[columns.step, 0, columns.start], [0, rows.step, rows.start]])
    # Unlike `resize` it may start between two pixels.
    crop = cv2.warpAffine(
        part,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    out[:height, :width] = crop
    if cut.flip:
        out[:] = cv2.flip(out, 1)


def cut_nearest(target: np.ndarray, cut: Cut, out: np.ndarray) -> None:
    """Cut the same crop out of a target: the nearest number of each pixel.

    Args:
        target: `(height, width)` or `(height, width, channels)`.
        cut: what to cut out.
        out: of the same type, at the crop's size; gets the crop. What lies below or on
            the right of the image stays as it is, but is mirrored too.
    """
    height, width = _inside(cut, out)
    rows = _nearest(target.shape[0], cut.resized[0], cut.top, height)
    columns = _nearest(target.shape[1], cut.resized[1], cut.left, width)
    out[:height, :width] = np.take(target[rows], columns, axis=1)
    if cut.flip:
        out[:] = out[:, ::-1]


class _Window(NamedTuple):
    """What a crop needs of its source along one axis."""

    first: int  # pixels of the source, the last one excluded
    last: int
    mean: int  # so many of them are averaged first
    step: float  # averaged pixels for each pixel of the crop
    start: float  # where the crop's first pixel lies in the averaged window


def _window(source: int, resized: int, first: int, count: int) -> _Window:
    mean = max(1, source // resized)
    step = source / resized / mean
    # Between the middles of pixels, as `cv2.resize` counts.
    start = (first + 0.5) * step - 0.5
    margin = 2  # the neighbour, and what rounding takes
    limit = source // mean
    low = min(max(0, int(start) - margin), limit - 1)
    high = min(limit, int(start + count * step) + margin)
    return _Window(low * mean, high * mean, mean, step, start - low)


def _nearest(source: int, resized: int, first: int, count: int) -> np.ndarray:
    """Pixels of the source whose areas hold the middles of the crop's pixels."""
    return (2 * np.arange(first, first + count) + 1) * source // (2 * resized)


def _inside(cut: Cut, out: np.ndarray) -> tuple[int, int]:
    """Height and width of the part of the crop that the image covers."""
    height, width = cut.resized
    return min(out.shape[0], height - cut.top), min(out.shape[1], width - cut.left)
