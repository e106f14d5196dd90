"""Encoded images to answers for every pixel, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.in_graph import checked_files, decode_rgb, map_flat, require
from hrnet_tf.tasks.base.manifest import (
    DenseManifest,
    Limits,
    RegressionManifest,
    SegmentationManifest,
)
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.dense.predictor import look_at_whole, size_of_look
from hrnet_tf.tasks.regression.predictor import regressor
from hrnet_tf.tasks.segmentation.classes import IGNORED
from hrnet_tf.tasks.segmentation.predictor import label_pixels, scorer


def serve_labels(
    network: Network, manifest: SegmentationManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes to a label for every pixel: nothing is left to prepare.

    Args:
        network: normalised images of any size to logits.
        manifest: what the network takes, and its classes.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`) to a dictionary: `labels`, uint8
        `(n, height, width)`, indices of the manifest's classes, `confidence`, float32
        `(n, height, width)`, and `size`, int32 `(n, 2)`, height and width of each
        image. The first two are as large as the largest image; beyond an image's own
        size they are 255 and 0. Each image is looked at whole and once, at the size
        that the manifest's `views` say; their scales and window do not count. It fails
        with InvalidArgument beyond the limits.
    """
    look = look_at_whole(scorer(network, manifest), manifest)

    def answer(image: tf.Tensor) -> tf.Tensor:
        labels, confidence = label_pixels(look(image)[0])
        return tf.stack([tf.cast(labels, tf.float32), confidence], axis=-1)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        found, sizes = _of_pixels(answer, image_bytes, manifest, limits, 2)
        rows, columns = (
            tf.sequence_mask(sizes[:, axis], tf.shape(found)[axis + 1])
            for axis in (0, 1)
        )
        inside = rows[:, :, None] & columns[:, None]
        labels = tf.where(inside, found[..., 0], IGNORED)
        return {
            "labels": tf.cast(labels, tf.uint8),
            "confidence": found[..., 1],
            "size": sizes,
        }

    return serve


def serve_maps(
    network: Network, manifest: RegressionManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes to numbers of every pixel: nothing is left to prepare.

    Args:
        network: normalised images of any size to a map.
        manifest: what the network takes, and what its numbers mean.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`) to a dictionary: `values`, float32
        `(n, height, width, channels)`, and `size`, int32 `(n, 2)`, height and width of
        each image. The values are as large as the largest image; beyond an image's own
        size they are 0. Each image is looked at whole and once, at the size that the
        manifest's `views` say; their scales and window do not count. It fails with
        InvalidArgument beyond the limits.
    """
    look = look_at_whole(regressor(network, manifest), manifest)
    powers = tf.constant(manifest.channels.powers, tf.float32)

    def answer(image: tf.Tensor) -> tf.Tensor:
        seen, factor = look(image)
        return seen / tf.pow(factor, powers)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        channels = len(manifest.channels)
        values, sizes = _of_pixels(answer, image_bytes, manifest, limits, channels)
        return {"values": values, "size": sizes}

    return serve


def _of_pixels(
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
        seen = tf.cast(size_of_look(sizes[index], manifest), tf.int64)
        fine = require(
            tf.reduce_prod(seen) <= limits.pixels,
            f"Image {{}} of the batch is looked at in {{}} pixels (height, width); up "
            f"to {limits.pixels} in all are taken.",
            *(index, seen),
        )
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
