"""Encoded images to answers for every pixel, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.in_graph import (
    checked_files,
    decode_rgb,
    map_flat,
    require,
    require_seen,
)
from hrnet_tf.images.limits import Limits
from hrnet_tf.networks.layers import resize_bilinear
from hrnet_tf.tasks.dense.manifest import DenseManifest
from hrnet_tf.tasks.dense.predictor import size_of_look


def answers_of_images(
    answer: Callable[[tf.Tensor], tf.Tensor],
    image_bytes: tf.Tensor,
    manifest: DenseManifest,
    limits: Limits,
    channels: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """What is answered about whole images, one after the other, padded with zeros.

    Returns:
        float32 `(n, height, width, channels)`, as large as the largest image, and
        their sizes, int32 `(n, 2)`.
    """
    files = checked_files(image_bytes, limits, manifest.input.orientation)
    sizes = files.sizes
    count = tf.shape(sizes)[0]
    largest = tf.reduce_max(tf.pad(sizes, [[1, 0], [0, 0]]), axis=0)  # of none: 0
    together = tf.reduce_prod(tf.cast(largest, tf.int64))
    few = require(
        tf.cast(count, tf.int64) * together <= limits.images * limits.pixels,
        "{} images padded to the largest, {} pixels (height, width), are too many; "
        "send wide and tall ones apart.",
        *(count, largest),
    )

    def padded(index: tf.Tensor) -> tf.Tensor:
        seen = tf.cast(size_of_look(sizes[index], manifest)[0], tf.int64)
        fine = require_seen(index, seen, limits)
        with tf.control_dependencies([fine, *_fitting(index, seen, manifest)]):
            content = tf.identity(files.contents[index])
        beyond = largest - sizes[index]
        paddings = [[0, beyond[0]], [0, beyond[1]], [0, 0]]
        found = tf.pad(answer(decode_rgb(content, files.turns[index])), paddings)
        return tf.reshape(found, (-1, channels))

    with tf.control_dependencies([few]):
        numbers = tf.range(count)
    rows = tf.TensorSpec((None, channels), tf.float32)
    found = map_flat(padded, numbers, rows, at_once=1)
    return tf.reshape(found, (count, largest[0], largest[1], channels)), sizes


def _fitting(index: tf.Tensor, seen: tf.Tensor, manifest: DenseManifest) -> list[Any]:
    """What fails unless a network takes an image at the size it is looked at."""
    if manifest.input.any_size or manifest.views.stretch:
        return []
    size = manifest.input.size
    fitting = require(
        tf.reduce_all(seen == tf.constant(size, tf.int64)),
        f"Image {{}} of the batch is looked at in {{}} pixels (height, width); the "
        f"network takes {list(size)} only.",
        *(index, seen),
    )
    return [fitting]


def at_pixels(maps: tf.Tensor, manifest: DenseManifest) -> tf.Tensor:
    """Maps of cells, resized to the input's size."""
    size = tf.constant(manifest.input.size)
    return resize_bilinear(maps, size, manifest.output.align_corners)
