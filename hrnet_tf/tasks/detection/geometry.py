"""How large images are looked at, and where their objects are then."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.preprocess import MEAN, STD, ColorOrder, preprocess_input
from hrnet_tf.tasks.detection.config import MULTIPLE
from hrnet_tf.tasks.keypoints.outlines import pixels_inside


def fitted_size(size: Sequence[int], scale: Sequence[int]) -> tuple[int, int]:
    """Height and width of an image that is made as large as a scale allows.

    Args:
        size: height and width of the image.
        scale: the most that its longer and its shorter side may be.

    Example:
        ```python
        fitted_size((427, 640), (1333, 800))  # (800, 1199)
        ```

    Source: mmdetection's `Resize` with `keep_ratio`.
    """
    height, width = size
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))


def padded_side(side: int, multiple: int = MULTIPLE) -> int:
    """The next multiple that is at least as long."""
    return -(-side // multiple) * multiple


def batch_size_for(
    sizes: np.ndarray, scale: Sequence[int], bucket: int
) -> tuple[int, int]:
    """Height and width of a batch of images, of which there are few different ones.

    Args:
        sizes: `(n, 2)`, heights and widths of the images.
        scale: that they were fitted into.
        bucket: sides are multiples of this, but not longer than any image can be.
    """
    height, width = np.max(sizes, axis=0).tolist()
    longer, shorter = padded_side(max(scale)), padded_side(min(scale))
    limits = (shorter, longer) if width > height else (longer, shorter)
    return tuple(  # type: ignore[return-value]
        max(padded_side(side), min(padded_side(side, bucket), limit))
        for side, limit in zip((height, width), limits, strict=True)
    )


def scale_factors(size: Sequence[int], fitted: Sequence[int]) -> np.ndarray:
    """By what the sides of an image grew, float32 `(4,)`: width, height, twice.

    Args:
        size: height and width before.
        fitted: height and width after; whole pixels, so that the two differ a little.
    """
    both = np.array([fitted[1] / size[1], fitted[0] / size[0]], np.float32)
    return np.tile(both, 2)


def moved_boxes(
    boxes: np.ndarray, size: Sequence[int], fitted: Sequence[int], flip: bool = False
) -> np.ndarray:
    """Boxes in an image that has been resized, and mirrored maybe.

    Args:
        boxes: `(n, 4)`, x1, y1, x2, y2 in pixels of the image.
        size: height and width before.
        fitted: height and width after.
        flip: whether it is mirrored.

    Returns:
        float32 `(n, 4)`, clipped to the image.
    """
    height, width = fitted
    moved = np.asarray(boxes, np.float32) * scale_factors(size, fitted)
    moved = np.clip(moved, 0, np.array([width, height, width, height], np.float32))
    if flip:
        moved[:, [0, 2]] = width - moved[:, [2, 0]]
    return moved


def moved_mask(
    outline: Any, size: tuple[int, int], fitted: tuple[int, int], flip: bool = False
) -> np.ndarray:
    """The pixels of an object in an image that has been resized, and mirrored maybe.

    Args:
        outline: COCO's `segmentation`, of the image as it was.
        size: height and width before.
        fitted: height and width after.
        flip: whether it is mirrored.

    Returns:
        uint8 of the fitted height and width, 0 or 1: the nearest pixel's of before.
    """
    inside = pixels_inside(outline, size).astype(np.uint8)
    mask = cv2.resize(inside, fitted[::-1], interpolation=cv2.INTER_NEAREST)
    return mask[:, ::-1] if flip else mask


def normalised(
    images: tf.Tensor,
    sizes: tf.Tensor,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    color_order: ColorOrder = "RGB",
) -> tf.Tensor:
    """Padded images to network input: normalised, and 0 beyond each image.

    Args:
        images: RGB `(batch, height, width, 3)`, 0..255, padded at the right and below.
        sizes: int32 `(batch, 2)`, height and width of what is no padding.
        mean: of each channel, in units of 0..255.
        std: standard deviation of each channel, in units of 0..255.
        color_order: see `hrnet_tf.preprocess_input`.

    Returns:
        float32 of the same shape.
    """
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    rows = tf.range(height)[None, :, None] < sizes[:, :1, None]
    columns = tf.range(width)[None, None, :] < sizes[:, 1:, None]
    inside = tf.cast(rows & columns, tf.float32)[..., None]
    return preprocess_input(images, mean, std, color_order) * inside
