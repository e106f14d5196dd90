"""Encoded images and boxes to keypoints, inside a graph."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.boxes_in_graph import placed_boxes, real_rows, spread_rows
from hrnet_tf.images.in_graph import checked_files, decode_rgb, in_parts, map_flat
from hrnet_tf.images.limits import Limits
from hrnet_tf.images.preprocess import upright_to_image, warp_upright
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import (
    CROPPED,
    IMAGES,
    Answer,
    Answers,
    Decoder,
    Request,
    Signature,
)
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.tasks.pose.predictor import locator


def serve_keypoints(
    network: Network, manifest: PoseManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes and boxes to keypoints: nothing is left to prepare.

    Args:
        network: normalised images to heatmaps.
        manifest: what the network takes and how its heatmaps are read.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`), `boxes` (float32 `(n, most, 4)`:
        x, y, width, height in pixels of the image) and `people` (int32 `(n,)`: how many
        of an image's boxes, from the first, are real; the others are never looked at)
        to a dictionary: `keypoints`, float32 `(n, most, k, 2)`, x and y in pixels of
        the image, and `scores`, float32 `(n, most, k)`, both zero where nobody is. It
        fails with InvalidArgument for a real box that breaks the rule of
        `hrnet_tf.images.boxes`, and beyond the limits.
    """
    locate, size = locator(network, manifest), manifest.input.size
    unbiased = manifest.codec.unbiased

    def look(crops: tf.Tensor) -> tf.Tensor:
        cells, scores = locate(crops)
        return tf.concat([cells, scores[..., None]], axis=-1)

    def serve(
        image_bytes: tf.Tensor, boxes: tf.Tensor, people: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        real = real_rows(image_bytes, boxes, people, limits)
        with tf.control_dependencies([real]):
            image_bytes, people = tf.identity(image_bytes), tf.identity(people)
        files = checked_files(image_bytes, limits, manifest.input.orientation)
        of_image = tf.where(real)[:, 0]
        boxes = tf.boolean_mask(boxes, real)
        boxes = placed_boxes(boxes, tf.gather(files.sizes, of_image), limits.reach)
        centers, widths = manifest.crops_of(boxes)
        first = tf.cumsum(people, exclusive=True)

        def crop(index: tf.Tensor) -> tf.Tensor:
            own = slice(first[index], first[index] + people[index])
            image = decode_rgb(files.contents[index], files.turns[index])
            return warp_upright(image, centers[own], widths[own], size, unbiased)

        with tf.control_dependencies([boxes]):
            numbers = tf.range(tf.size(people))
        crops = map_flat(crop, numbers, tf.TensorSpec((None, *size, 3), tf.uint8))
        found = in_parts(look, crops, (len(manifest.keypoints), 3))
        cells, scores = found[..., :2], found[..., 2]
        places = centers, widths, manifest.output.size, unbiased
        keypoints = upright_to_image(cells, *places)
        return {
            "keypoints": spread_rows(keypoints, real),
            "scores": spread_rows(scores, real),
        }

    return serve


def decode_keypoints(heatmaps: tf.Tensor, manifest: PoseManifest) -> Answers:
    """`keypoints` `(n, k, 2)`, x and y in pixels of the crop, and `scores` `(n, k)`."""
    cells, scores = manifest.codec.decode(heatmaps)
    pixels = manifest.codec.in_pixels(cells, manifest.output.size)
    return {"keypoints": pixels, "scores": scores}


def encode_keypoints(answers: Answers, manifest: PoseManifest) -> Any:
    """What `locator` gives, from decoded answers."""
    cells = manifest.codec.in_cells(answers["keypoints"], manifest.output.size)
    return cells, answers["scores"]


def _request(samples: Mapping[str, np.ndarray], factor: float) -> Request:
    """`boxes` have a row more than there are people: what comes of padding is seen."""
    boxes = samples["boxes"] * np.float32(factor)
    return {
        "boxes": np.pad(boxes, ((0, 1), (0, 0)))[None],
        "people": np.array([len(boxes)], np.int32),
    }


def _allowed(
    manifest: PoseManifest, request: Request, tolerance: float
) -> dict[str, float]:
    # Between two equal neighbours rounding decides, by half a cell.
    largest = float(request["boxes"][..., 2:].max()) * manifest.decoding.padding
    return {"scores": tolerance, "keypoints": largest / min(manifest.output.size)}


DECODER = Decoder(
    decode_keypoints,
    encode_keypoints,
    {
        "heatmaps": Answer("A heatmap a keypoint."),
        "keypoints": Answer(
            "x and y of each keypoint in pixels of the input.", rounded=True
        ),
        "scores": Answer("How sure each keypoint is."),
    },
)
SIGNATURE = Signature(
    "keypoints",
    (
        IMAGES,
        tf.TensorSpec((None, None, 4), tf.float32, "boxes"),
        tf.TensorSpec((None,), tf.int32, "people"),
    ),
    serve_keypoints,
    replace(CROPPED, people=2048),
    _request,
    _allowed,
)
