"""Encoded images and boxes to points in each box, inside a graph."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import tensorflow as tf

from hrnet_tf.images.boxes_in_graph import placed_boxes, real_rows, spread_rows
from hrnet_tf.images.in_graph import checked_files, decode_rgb, in_parts, map_flat
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.serving import CROPPED, IMAGES, Request

INPUTS = (
    IMAGES,
    tf.TensorSpec((None, None, 4), tf.float32, "boxes"),
    tf.TensorSpec((None,), tf.int32, "people"),
)
LIMITS = replace(CROPPED, people=2048)


def serve_boxes(
    locate: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    manifest: TaskManifest,
    limits: Limits,
    *,
    count: int,
    crops_of: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    cut: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
    to_image: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """All that surrounds the look at a box.

    Args:
        locate: crops, uint8 `(n, height, width, 3)`, to cells `(n, count, 2)` and
            scores `(n, count)`.
        manifest: says what crops the network takes.
        limits: what is refused.
        count: points of each box.
        crops_of: boxes `(n, 4)` to centres and widths of their crops.
        cut: an image, centres and widths to crops.
        to_image: cells, centres and widths to pixels of the image.

    Returns:
        A function of `INPUTS` to points `(n, most, count, 2)` and scores `(n, most,
        count)`, both zero where no box is real.
    """
    size = manifest.input.size

    def look(crops: tf.Tensor) -> tf.Tensor:
        cells, scores = locate(crops)
        return tf.concat([cells, scores[..., None]], axis=-1)

    def serve(
        image_bytes: tf.Tensor, boxes: tf.Tensor, people: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        real = real_rows(image_bytes, boxes, people, limits)
        with tf.control_dependencies([real]):
            image_bytes, people = tf.identity(image_bytes), tf.identity(people)
        files = checked_files(image_bytes, limits, manifest.input.orientation)
        of_image = tf.where(real)[:, 0]
        boxes = tf.boolean_mask(boxes, real)
        boxes = placed_boxes(boxes, tf.gather(files.sizes, of_image), limits.reach)
        centers, widths = crops_of(boxes)
        first = tf.cumsum(people, exclusive=True)

        def crop(index: tf.Tensor) -> tf.Tensor:
            own = slice(first[index], first[index] + people[index])
            image = decode_rgb(files.contents[index], files.turns[index])
            return cut(image, centers[own], widths[own])

        with tf.control_dependencies([boxes]):
            numbers = tf.range(tf.size(people))
        crops = map_flat(crop, numbers, tf.TensorSpec((None, *size, 3), tf.uint8))
        found = in_parts(look, crops, (count, 3))
        points = to_image(found[..., :2], centers, widths)
        return spread_rows(points, real), spread_rows(found[..., 2], real)

    return serve


def request_of_boxes(samples: Mapping[str, np.ndarray], factor: float) -> Request:
    """`boxes` have a row more than are real, so that what comes of padding is seen."""
    boxes = samples["boxes"] * np.float32(factor)
    return {
        "boxes": np.pad(boxes, ((0, 1), (0, 0)))[None],
        "people": np.array([len(boxes)], np.int32),
    }
