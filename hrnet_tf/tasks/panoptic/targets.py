"""What the network is to answer, from a map of segments, inside a graph.

All of it comes from the crop that is learnt from: the centre of a thing that the crop
cuts is that of what is left of it.
"""

import math

import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.panoptic.segments import CROWD, DIVISOR, VOID_CLASS

# What the other labels stand for; a thing's label times `DIVISOR` is below that.
VALUES = (VOID_CLASS + 1) * DIVISOR
REACH = 3  # sigmas, and one pixel, that a disc reaches along each axis


def segment_map(y_true: tf.Tensor) -> tf.Tensor:
    """Segments of pixels, int32 `(batch, height, width)`.

    Args:
        y_true: whole numbers of any type, of this shape or with a last axis of 1.

    Raises:
        InputError: if the shape is another one.
    """
    y_true = tf.convert_to_tensor(y_true)
    if y_true.shape.rank == 4 and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    if y_true.shape.rank not in (None, 3):
        raise InputError(
            "Segments of pixels must be whole numbers of shape (batch, height, width), "
            f"class * {DIVISOR} + number, got {tuple(y_true.shape)}."
        )
    if y_true.shape.rank is None:
        y_true = tf.reshape(y_true, tf.ensure_shape(tf.shape(y_true), (3,)))
    return tf.cast(y_true, tf.int32)


def are_things(segments: tf.Tensor) -> tf.Tensor:
    """Whether pixels belong to a thing that can be told from others, bool."""
    number = segments % DIVISOR
    in_range = (segments >= 0) & (segments < VALUES)
    return in_range & (number > 0) & (number < CROWD) & ~are_void(segments)


def are_void(segments: tf.Tensor) -> tf.Tensor:
    """Whether nothing is known of pixels, bool."""
    return segments // DIVISOR == VOID_CLASS


def _bins(segments: tf.Tensor, classes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """A number for each thing of a batch, -1 elsewhere; and how many there may be."""
    count = tf.shape(segments)[0]
    first = tf.range(count)[:, None, None] * (classes * DIVISOR)
    known = are_things(segments) & (segments < classes * DIVISOR)
    return tf.where(known, first + segments, -1), count * (classes * DIVISOR)


def areas_of(segments: tf.Tensor, classes: int) -> tf.Tensor:
    """How many pixels the thing of each pixel has, float32; 0: it is no thing's.

    Args:
        segments: int32 `(batch, height, width)`.
        classes: how many there are.
    """
    bins, count = _bins(segments, classes)
    flat = tf.reshape(bins, (-1,))
    areas = tf.math.unsorted_segment_sum(tf.ones_like(flat), flat, count)
    found = tf.gather(areas, tf.maximum(bins, 0))
    return tf.cast(tf.where(bins >= 0, found, 0), tf.float32)


def places_of(segments: tf.Tensor) -> tf.Tensor:
    """Row and column of each pixel, float32 `(height, width, 2)`."""
    height, width = tf.shape(segments)[1], tf.shape(segments)[2]
    rows, columns = tf.meshgrid(tf.range(height), tf.range(width), indexing="ij")
    return tf.cast(tf.stack([rows, columns], axis=-1), tf.float32)


def centers_of(segments: tf.Tensor, classes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The middle of each thing, by the thing and by its pixels.

    Args:
        segments: int32 `(batch, height, width)`.
        classes: how many there are.

    Returns:
        Float32 `(things, 2)`, row and column of the mean of its pixels, -1 where there
        is no such thing; and `(batch, height, width, 2)`, those of the thing of each
        pixel, 0 where it is no thing's.
    """
    bins, count = _bins(segments, classes)
    flat = tf.reshape(bins, (-1,))
    # float32 would lose the pixels of a large thing in the sum of them.
    places = tf.broadcast_to(
        tf.cast(places_of(segments), tf.float64), (*tf.unstack(tf.shape(segments)), 2)
    )
    sums = tf.math.unsorted_segment_sum(tf.reshape(places, (-1, 2)), flat, count)
    areas = tf.math.unsorted_segment_sum(tf.ones_like(flat), flat, count)
    means = tf.math.divide_no_nan(sums, tf.cast(areas, tf.float64)[:, None])
    means = tf.cast(means, tf.float32)
    of_pixels = tf.gather(means, tf.maximum(bins, 0))
    of_pixels = tf.where((bins >= 0)[..., None], of_pixels, 0.0)
    return tf.where((areas > 0)[:, None], means, -1.0), of_pixels


def center_heatmap(segments: tf.Tensor, classes: int, sigma: float) -> tf.Tensor:
    """A disc at the middle of each thing, 1 in its pixel; the highest of several.

    Args:
        segments: int32 `(batch, height, width)`.
        classes: how many there are.
        sigma: of the Gaussian, in pixels; it ends in a square of three of them and a
            pixel around its middle.

    Returns:
        Float32 `(batch, height, width)`.

    Source: Cheng et al., https://arxiv.org/abs/1911.10194, section 3.3.
    """
    centers, _ = centers_of(segments, classes)
    batch, height, width = tf.unstack(tf.shape(segments))
    image = tf.range(tf.shape(centers)[0]) // (classes * DIVISOR)
    row, column = (tf.cast(tf.floor(centers[:, axis]), tf.int32) for axis in (0, 1))
    index = tf.where(row >= 0, (image * height + row) * width + column, -1)
    hits = tf.math.unsorted_segment_sum(
        tf.ones_like(index), index, batch * height * width
    )
    peaks = tf.cast(tf.reshape(hits > 0, (batch, height, width)), tf.float32)
    return _spread(_spread(peaks, 1, sigma), 2, sigma)


def _spread(peaks: tf.Tensor, axis: int, sigma: float) -> tf.Tensor:
    """The highest of all peaks, each falling as a Gaussian does, along one axis.

    By operations that XLA knows: the highest of a few shifted maps.
    """
    reach = int(REACH * sigma + 1)
    if axis == 2:
        peaks = tf.transpose(peaks, (0, 2, 1))
    length = tf.shape(peaks)[1]
    padded = tf.pad(peaks, [[0, 0], [reach, reach], [0, 0]])
    highest = peaks
    for shift in range(-reach, reach + 1):
        own = padded[:, reach + shift : reach + shift + length]
        highest = tf.maximum(highest, own * math.exp(-(shift**2) / (2 * sigma**2)))
    return tf.transpose(highest, (0, 2, 1)) if axis == 2 else highest
