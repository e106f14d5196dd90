"""Image to network input and back: boxes, affine crops, normalisation.

Coordinates are pixels, `x` to the right and `y` down, with the origin in the middle of
the top-left pixel. A crop is described by its centre and its width in image pixels; its
height follows from the network's aspect ratio.

What training, judging and Python cut out is cut by OpenCV, with maps that are rounded
as in the official code; graphs that are served have the same in TensorFlow, for upright
crops. The places of crops differ by what float32 rounds off; older versions of OpenCV
round positions of pixels to 1/32, too.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.boxes import SMALLEST

# RGB, in units of 0..255 (ImageNet).
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

ColorOrder = Literal["RGB", "BGR"]
CHANNELS = {"RGB": "red, green and blue", "BGR": "blue, green and red"}

# How much larger than the person's box a crop is.
PADDING = 1.25

# Pixels around what is needed of an image: bilinear neighbours, and the smoothing of
# JPEG decoders across blocks.
MARGIN = 2


def preprocess_input(
    images: tf.Tensor,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    color_order: ColorOrder = "RGB",
) -> tf.Tensor:
    """Images to network input: subtract the mean, divide by the standard deviation.

    Args:
        images: RGB `(..., width, 3)`, any type, 0..255.
        mean: of each channel that the network takes, in units of 0..255.
        std: standard deviation of each channel that the network takes, in units of
            0..255.
        color_order: the order of colours that the network takes. The official
            checkpoints of `hrnet_tf.SimpleBaseline` want `"BGR"`, with this mean and
            deviation all the same; all others RGB.

    Returns:
        float32 of the same shape.

    Raises:
        InputError: if there is no such order.
    """
    if color_order not in get_args(ColorOrder):
        raise InputError(f'`color_order` must be "RGB" or "BGR", got {color_order!r}.')
    if color_order == "BGR":
        images = tf.reverse(tf.convert_to_tensor(images), [-1])
    scale = 1.0 / np.asarray(std, np.float64)
    shift = -np.asarray(mean, np.float64) * scale
    images = tf.convert_to_tensor(images)
    # Whole rows at once: along three channels TensorFlow is four times slower.
    pixels = images.shape[-2] or 1
    rows = tf.reshape(tf.cast(images, tf.float32), (-1, 3 * pixels))
    rows = rows * np.tile(scale, pixels).astype(np.float32)
    rows = rows + np.tile(shift, pixels).astype(np.float32)
    return tf.reshape(rows, tf.shape(images))


def check_image(image: Any) -> np.ndarray:
    """Raise an InputError unless this is a uint8 RGB image `(height, width, 3)`."""
    image = np.asarray(image)
    if (
        image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or not image.size
    ):
        raise InputError(
            "An image must be uint8 RGB of shape (height, width, 3), got "
            f"{image.dtype} of shape {image.shape}."
        )
    return image


def central_crop(
    image: tf.Tensor, size: tuple[int, int], share: float = 0.875
) -> tf.Tensor:
    """The middle of an image, resized: what classifiers look at.

    Resizes as Pillow does, bilinear with averaging where the image shrinks.

    Args:
        image: RGB `(height, width, 3)`, 0..255.
        size: height and width of the crop in its own pixels.
        share: what the crop is of the resized image's shorter side.

    Returns:
        uint8 `(size[0], size[1], 3)`.

    Source: Krizhevsky et al., ImageNet classification with deep convolutional neural
    networks, section 2; the share of 0.875 is that of the official code.
    """
    given, wanted = tf.shape(image)[:2], tf.constant(size)
    least = tf.round(tf.cast(wanted, tf.float64) / share)
    factor = tf.reduce_max(least / tf.cast(given, tf.float64))
    # Like torchvision: cut off below the pixel, but not the side that fits exactly.
    whole = tf.floor(tf.cast(given, tf.float64) * factor + 1e-6)
    offset = tf.round((whole - tf.cast(wanted, tf.float64)) / 2)
    scale = tf.cast(whole / tf.cast(given, tf.float64), tf.float32)
    # Unlike tf.image.resize this computes no pixel outside the crop.
    crops = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=wanted,
        scale=scale,
        translation=-tf.cast(offset, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )
    return tf.cast(tf.round(tf.clip_by_value(crops[0], 0, 255)), tf.uint8)


def central_crop_of(
    image: np.ndarray, size: tuple[int, int], share: float = 0.875
) -> np.ndarray:
    """`central_crop` of an array, on the CPU whatever else there is."""
    with tf.device("/CPU:0"):
        return central_crop(tf.constant(image), size, share).numpy()


def resized(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image or a map at another height and width, bilinear.

    Args:
        array: `(height, width, channels)`.
        size: height and width to have.
    """
    if array.shape[:2] == size:
        return array
    found = cv2.resize(array, size[::-1], interpolation=cv2.INTER_LINEAR)
    return found.reshape(*size, -1)  # OpenCV drops a single channel


def crop_of_box(boxes: Any, aspect: float, padding: float = PADDING) -> tuple[Any, Any]:
    """The crop around each box: the box at the network's aspect ratio, with a margin.

    Args:
        boxes: `(n, 4)`, `x, y, width, height` in image pixels, an array; or in a graph
            a tensor. Smaller ones count as `hrnet_tf.images.boxes.SMALLEST` pixels
            wide, so that every crop has a size.
        aspect: width over height of the network input.
        padding: how much larger than the box the crop is.

    Returns:
        Centres `(n, 2)` and widths `(n,)` in image pixels: of arrays float64, of a
        tensor in its type.
    """
    larger = tf.maximum if tf.is_tensor(boxes) else np.maximum
    if not tf.is_tensor(boxes):
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    widths = larger(boxes[:, 2], boxes[:, 3] * aspect)
    return centers, larger(widths, SMALLEST) * padding


def crop_matrix(
    centers: np.ndarray,
    widths: np.ndarray,
    rotations: np.ndarray | float,
    size: tuple[int, int],
    unbiased: bool = False,
) -> np.ndarray:
    """Affine maps from image pixels to crop pixels.

    Args:
        centers: `(n, 2)`, the crops' centres in image pixels.
        widths: `(n,)`, the crops' widths in image pixels.
        rotations: `(n,)` or one number, degrees; positive turns the image
            anticlockwise.
        size: height and width of the crop in its own pixels.
        unbiased: the crop ends in the middles of its first and last pixels (UDP), not
            with their outer edges.

    Returns:
        float64 `(n, 2, 3)`: `crop = matrix @ (x, y, 1)`.

    Sources: Xiao et al., https://arxiv.org/abs/1804.06208, section 3; Huang et al.,
    https://arxiv.org/abs/1911.07524, section 3.2 (unbiased).
    """
    height, width = size
    angle = np.deg2rad(np.broadcast_to(rotations, len(centers)).astype(np.float64))
    if unbiased:
        spans = np.array([width - 1, height - 1], np.float64)
        lengths = np.asarray(widths)[:, None] * np.array([1, height / width])
        turns = np.array([[np.cos(angle), np.sin(angle)]] * 2).transpose(2, 0, 1)
        turns[:, 1] = turns[:, 1, ::-1] * [-1, 1]
        linear = (spans / lengths)[:, :, None] * turns
        shift = spans / 2 - np.einsum("nij,nj->ni", linear, np.asarray(centers))
        return np.concatenate([linear, shift[:, :, None]], axis=-1)
    up = np.stack([np.sin(angle), -np.cos(angle)], -1) * np.asarray(widths)[:, None] / 2
    # The official code fixes the map by three points in float32; so are its published
    # results.
    middle = np.asarray(centers, np.float32)
    top = (centers + up).astype(np.float32)
    side = top + (middle - top)[:, ::-1] * np.array([-1, 1], np.float32)
    source = np.stack([middle, top, side], axis=1).astype(np.float64)
    target = np.array(
        [
            [width / 2, height / 2],
            [width / 2, (height - width) / 2],
            [0, (height - width) / 2],
        ]
    )
    source = np.concatenate([source, np.ones((len(source), 3, 1))], axis=-1)
    return np.linalg.solve(
        source, np.broadcast_to(target, (len(source), 3, 2))
    ).transpose(0, 2, 1)


def invert(matrices: np.ndarray) -> np.ndarray:
    """Inverse affine maps, `(n, 2, 3)` to `(n, 2, 3)`."""
    linear = np.linalg.inv(matrices[:, :, :2])
    shift = -np.einsum("nij,nj->ni", linear, matrices[:, :, 2])
    return np.concatenate([linear, shift[:, :, None]], axis=-1)


def transform(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Apply affine maps `(n, 2, 3)` to sets of points `(n, k, 2)`, one each."""
    linear, shift = matrices[:, :, :2], matrices[:, None, :, 2]
    return np.einsum("nij,nkj->nki", linear, points) + shift


def warp(
    image: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Cut a crop out of an image: bilinear, black outside.

    Args:
        image: uint8 `(height, width, 3)`.
        matrix: `(2, 3)`, image pixels to crop pixels.
        size: height and width of the crop.
        out: where to write the crop; None: a new array.

    Returns:
        uint8 `(size[0], size[1], 3)`.
    """
    return cv2.warpAffine(
        image, matrix, (size[1], size[0]), dst=out, flags=cv2.INTER_LINEAR
    )


def upright_to_image(
    points: tf.Tensor,
    centers: tf.Tensor,
    widths: tf.Tensor,
    size: tuple[int, int],
    unbiased: bool = False,
) -> tf.Tensor:
    """Points of upright crops in image pixels: `transform`, `invert`ed, in a graph.

    Args:
        points: float32 `(n, k, 2)`, x and y in pixels of the crop, or in cells of it.
        centers: float32 `(n, 2)`, the crops' centres in image pixels.
        widths: float32 `(n,)`, the crops' widths in image pixels.
        size: height and width of a crop in the pixels or cells that `points` count.
        unbiased: see `crop_matrix`.

    Returns:
        float32 `(n, k, 2)`.
    """
    spans = _spans(size, unbiased)
    scale = _upright_scale(widths, size, unbiased)
    return centers[:, None] + (points - spans / 2) * scale[:, None]


def _spans(size: tuple[int, int], unbiased: bool) -> np.ndarray:
    """Pixels from end to end of a crop, across and down, float32 `(2,)`."""
    return np.array(size[::-1], np.float32) - (1 if unbiased else 0)


def _upright_scale(
    widths: tf.Tensor, size: tuple[int, int], unbiased: bool
) -> tf.Tensor:
    """Image pixels a pixel of upright crops, across and down, float32 `(n, 2)`."""
    lengths = np.array([1, size[0] / size[1]])  # of a crop, in widths of it
    in_widths = _spans(size, unbiased) / lengths
    return widths[:, None] / in_widths.astype(np.float32)


def warp_upright(
    image: tf.Tensor,
    centers: tf.Tensor,
    widths: tf.Tensor,
    size: tuple[int, int],
    unbiased: bool = False,
) -> tf.Tensor:
    """`warp` of upright crops in a graph: bilinear, black outside.

    Args:
        image: uint8 `(height, width, 3)`.
        centers: float32 `(n, 2)`, the crops' centres in image pixels.
        widths: float32 `(n,)`, the crops' widths in image pixels.
        size: height and width of a crop in its own pixels.
        unbiased: see `crop_matrix`.

    Returns:
        uint8 `(n, size[0], size[1], 3)`.
    """
    images = tf.cast(image, tf.float32)[None]
    first = tf.zeros((1, 1, 2))
    corner = upright_to_image(first, centers, widths, size, unbiased)[:, 0]
    scale, zero = _upright_scale(widths, size, unbiased), tf.zeros_like(widths)
    (across, down), (x, y) = tf.unstack(scale, axis=-1), tf.unstack(corner, axis=-1)
    transforms = tf.stack([across, zero, x, zero, down, y, zero, zero], axis=-1)

    def crop(transform: tf.Tensor) -> tf.Tensor:
        found = tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=transform[None],
            output_shape=tf.constant(size),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )[0]
        return tf.cast(tf.round(found), tf.uint8)

    crops = tf.TensorSpec((*size, 3), tf.uint8)
    return tf.map_fn(crop, transforms, fn_output_signature=crops)


def source_windows(
    matrices: np.ndarray, image_sizes: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """The part of each image that its crop needs, so that only this part is decoded.

    Args:
        matrices: `(n, 2, 3)`, image pixels to crop pixels.
        image_sizes: `(n, 2)`, height and width of each image.
        size: height and width of the crop.

    Returns:
        int32 `(n, 4)`: top, left, height, width; at least one pixel, inside the image.
    """
    height, width = size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    source = transform(
        np.broadcast_to(corners, (len(matrices), 4, 2)), invert(matrices)
    )
    low, high = np.floor(source.min(axis=1)), np.ceil(source.max(axis=1)) + 1
    return widened(low[:, ::-1], high[:, ::-1], np.asarray(image_sizes))


def widened(low: np.ndarray, high: np.ndarray, image_sizes: np.ndarray) -> np.ndarray:
    """Parts of images with a margin of `MARGIN` pixels, inside the images.

    Args:
        low: `(n, 2)`, the first row and column of each.
        high: `(n, 2)`, the row and the column behind the last.
        image_sizes: `(n, 2)`, height and width of each image.

    Returns:
        int32 `(n, 4)`: top, left, height, width; at least one pixel.
    """
    low = np.clip(low - MARGIN, 0, image_sizes - 1)
    high = np.clip(high + MARGIN, low + 1, image_sizes)
    return np.concatenate([low, high - low], axis=-1).astype(np.int32)


def part_of(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The part of an image in a window: top, left, height, width; a view of it."""
    top, left, height, width = window
    return image[top : top + height, left : left + width]
