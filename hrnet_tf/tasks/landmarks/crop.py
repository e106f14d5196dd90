"""Cutting faces out as the official program does: whole pixels, stretched contrast.

That program stood on image functions of SciPy that are gone. What they did to a crop is
part of what published weights have learnt, so it is done here with Pillow, as they did:
windows of whole pixels, and contrast stretched over everything that a window shows.
"""

import numpy as np
from PIL import Image

from hrnet_tf.tasks.landmarks.geometry import window

# A face that would shrink to less than half is cut out of a smaller image.
LARGE = 2.0


def crop_face(
    image: np.ndarray,
    center: np.ndarray,
    scale: float,
    rotation: float,
    size: int,
    stretched_twice: bool = True,
) -> np.ndarray:
    """Cut one face out.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        center: `(2,)`, x and y of the crop's middle in image pixels.
        scale: a 200th of the crop's side in image pixels.
        rotation: degrees; positive turns the image anticlockwise.
        size: of the crop in its own pixels, height and width.
        stretched_twice: whether the contrast of an image that is made smaller first is
            stretched then too. The official program does so, but not for COFW, whose
            images it takes as whole numbers.

    Returns:
        uint8 RGB `(size, size, 3)`; what lies beyond the image is black before the
        contrast is stretched.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 6, and the official
    code with SciPy 1.2.
    """
    center = np.asarray(center, np.float32)
    factor = 200.0 * scale / size
    if factor >= LARGE:
        height, width = (int(np.floor(side / factor)) for side in image.shape[:2])
        if max(height, width) < 2:
            return np.zeros((size, size, 3), np.uint8)
        if stretched_twice:
            image = stretch(image)
        image = resize(image, (max(height, 1), max(width, 1)))
        center, scale = center / np.float32(factor), scale / factor
    low, high = window(center, scale, size)
    if not rotation:
        return resize(stretch(cut(image, low, high)), (size, size))
    side = np.linalg.norm(high - low) / 2 - float(high[1] - low[1]) / 2
    margin = max(int(side), 1)
    found = stretch(cut(image, low - margin, high + margin))
    turned = Image.fromarray(found).rotate(rotation, Image.Resampling.BILINEAR)
    middle = np.asarray(turned)[margin:-margin, margin:-margin]
    return resize(middle, (size, size))


def cut(image: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A window of whole pixels, black beyond the image.

    Args:
        image: uint8 `(height, width, 3)`.
        low: x and y of the first pixel.
        high: ... of the one after the last.
    """
    width, height = (high - low).tolist()
    found = np.zeros((height, width, 3), np.uint8)
    limits = np.array(image.shape[1::-1])
    first, last = np.clip(low, 0, limits), np.clip(high, 0, limits)
    if (last > first).all():
        (left, top), (right, bottom) = first - low, last - low
        found[top:bottom, left:right] = image[first[1] : last[1], first[0] : last[0]]
    return found


def stretch(image: np.ndarray) -> np.ndarray:
    """Contrast stretched to 0..255, from the lowest to the highest of all channels."""
    low, high = float(image.min()), float(image.max())
    values = (image.astype(np.float32) - low) * (255.0 / ((high - low) or 1.0))
    return (values.clip(0, 255) + 0.5).astype(np.uint8)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resized as Pillow does: bilinear, with averaging where it shrinks.

    Args:
        image: uint8 `(height, width, 3)`.
        size: height and width.
    """
    found = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(found)
