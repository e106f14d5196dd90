"""The crops of `crop_face`, upright, and the way back, inside a graph."""

import numpy as np
import tensorflow as tf

from hrnet_tf.tasks.landmarks.crop import LARGE


def crop_faces(
    image: tf.Tensor,
    centers: tf.Tensor,
    sides: tf.Tensor,
    size: int,
    stretched_twice: bool,
) -> tf.Tensor:
    """`crop_face` of upright faces, to a grey level or two.

    Args:
        image: uint8 `(height, width, 3)`.
        centers: float32 `(n, 2)`, of the crops, in image pixels.
        sides: float32 `(n,)`, of the crops, in image pixels.
        size: of a crop in its own pixels.
        stretched_twice: see `crop_face`.

    Returns:
        uint8 `(n, size, size, 3)`.
    """
    pixels = tf.cast(image, tf.float32)
    stretched = _stretch(pixels) if stretched_twice else pixels
    shape = tf.shape(image)[:2]

    def crop(face: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        center, side = face
        factor = side / size

        def smaller() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            wanted = tf.cast(tf.floor(tf.cast(shape, side.dtype) / factor), tf.int32)
            wanted = tf.maximum(wanted, 1)
            less = tf.cast(factor, tf.float32)
            return resize(stretched, wanted), center / less, side / factor

        def as_it_is() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            return pixels, center, side

        source, center, side = tf.cond(factor >= LARGE, smaller, as_it_is)
        place = tf.cast(center, tf.float64)
        corners = tf.constant([[-1.0], [size - 1.0]], tf.float64)
        ends = tf.cast((corners - size / 2) * (side / size) + place, tf.int32) + 1
        low = ends[0]
        high = tf.maximum(ends[1], low + 1)
        found = _stretch(_cut(source, low, high))
        crop = resize(found, tf.constant([size, size]))
        return tf.cast(crop, tf.uint8)

    spec = tf.TensorSpec((size, size, 3), tf.uint8)
    faces = (tf.cast(centers, tf.float32), tf.cast(sides, tf.float64))
    return tf.map_fn(crop, faces, fn_output_signature=spec)


def resize(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Resized as Pillow does, first rows and then columns, rounded each time.

    Args:
        image: float32 `(height, width, 3)`, whole numbers.
        size: height and width, int32 `(2,)`.
    """
    given = tf.shape(image)[:2]
    image = _resize_once(image, tf.stack([given[0], size[1]]))
    return _resize_once(image, size)


def _resize_once(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    scale = tf.cast(size, tf.float32) / tf.cast(tf.shape(image)[:2], tf.float32)
    found = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=size,
        scale=scale,
        translation=tf.zeros(2),
        kernel_type="triangle",
        antialias=True,
    )[0]
    return tf.floor(tf.clip_by_value(found, 0.0, 255.0) + 0.5)


def _stretch(image: tf.Tensor) -> tf.Tensor:
    low, high = tf.reduce_min(image), tf.reduce_max(image)
    factor = 255.0 / tf.where(high > low, high - low, 1.0)
    return tf.floor(tf.clip_by_value((image - low) * factor, 0.0, 255.0) + 0.5)


def _cut(image: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """A window of whole pixels, x and y, black beyond the image."""
    limits = tf.shape(image)[1::-1]
    first = tf.clip_by_value(low, 0, limits)
    last = tf.maximum(tf.clip_by_value(high, 0, limits), first)
    part = image[first[1] : last[1], first[0] : last[0]]
    before = tf.clip_by_value(first - low, 0, high - low - (last - first))
    after = high - low - before - (last - first)
    pads = tf.stack([before[::-1], after[::-1]], axis=1)
    return tf.pad(part, tf.concat([pads, [[0, 0]]], axis=0))


def whole_pixels(
    cells: tf.Tensor, centers: tf.Tensor, sides: tf.Tensor, size: int
) -> tf.Tensor:
    """Cells to whole pixels of images, as the official program counts; float32.

    Args:
        cells: float32 `(n, k, 2)`, counted from 0.
        centers: float32 `(n, 2)`, of the crops, in image pixels.
        sides: float32 `(n,)`, of the crops, in image pixels.
        size: of a heatmap, in cells.
    """
    steps = tf.cast(sides, tf.float64)[:, None, None] / size
    places = tf.cast(cells, tf.float64) + (0.5 - size / 2)
    places = places * steps + tf.cast(centers, tf.float64)[:, None]
    return tf.cast(tf.cast(places, tf.int64) + 1, tf.float32)


def fractions(
    cells: tf.Tensor, centers: tf.Tensor, sides: tf.Tensor, size: int, stride: int
) -> tf.Tensor:
    """Cells to pixels of images, by the affine rule.

    Args:
        cells: float32 `(n, k, 2)`, counted from 0.
        centers: float32 `(n, 2)`, of the crops, in image pixels.
        sides: float32 `(n,)`, of the crops, in image pixels.
        size: of a crop in its own pixels.
        stride: crop pixels per cell.
    """
    pixels = (cells + 0.5) * np.float32(stride) - 0.5
    steps = sides[:, None, None] / size
    return centers[:, None] + (pixels - size / 2) * steps
