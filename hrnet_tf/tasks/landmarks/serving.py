"""Encoded images and boxes to landmarks, inside a graph."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.boxes import SMALLEST
from hrnet_tf.images.boxes_in_graph import placed_boxes, real_rows, spread_rows
from hrnet_tf.images.in_graph import checked_files, decode_rgb, in_parts, map_flat
from hrnet_tf.images.limits import Limits
from hrnet_tf.images.preprocess import warp_upright
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
from hrnet_tf.tasks.landmarks.in_graph import crop_faces, fractions, whole_pixels
from hrnet_tf.tasks.landmarks.manifest import LandmarkManifest
from hrnet_tf.tasks.landmarks.predictor import locator


def serve_landmarks(
    network: Network, manifest: LandmarkManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes and boxes to landmarks: nothing is left to prepare.

    Args:
        network: normalised images to heatmaps.
        manifest: what the network takes and how its heatmaps are read.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`), `boxes` (float32 `(n, most, 4)`:
        x, y, width, height in pixels of the image) and `people` (int32 `(n,)`: how many
        of an image's boxes, from the first, are real; the others are never looked at)
        to a dictionary: `landmarks`, float32 `(n, most, k, 2)`, x and y in pixels of
        the image, and `scores`, float32 `(n, most, k)`, both zero where nobody is. It
        fails with InvalidArgument for a real box that breaks the rule of
        `hrnet_tf.images.boxes`, and beyond the limits.
    """
    locate, size = locator(network, manifest), manifest.input.height
    decoding, stride = manifest.decoding, manifest.output.stride
    official = decoding.rule == "official"

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
        centers = boxes[:, :2] + boxes[:, 2:] / 2
        sides = tf.maximum(tf.reduce_max(boxes[:, 2:], axis=1), SMALLEST)
        sides = sides * np.float32(decoding.padding)
        first = tf.cumsum(people, exclusive=True)

        def crop(index: tf.Tensor) -> tf.Tensor:
            own = slice(first[index], first[index] + people[index])
            image = decode_rgb(files.contents[index], files.turns[index])
            if not official:
                return warp_upright(image, centers[own], sides[own], (size, size))
            twice = decoding.stretched_twice
            return crop_faces(image, centers[own], sides[own], size, twice)

        with tf.control_dependencies([boxes]):
            numbers = tf.range(tf.size(people))
        crops = map_flat(crop, numbers, tf.TensorSpec((None, size, size, 3), tf.uint8))
        found = in_parts(look, crops, (len(manifest.landmarks), 3))
        cells, scores = found[..., :2], found[..., 2]
        if official:
            points = whole_pixels(cells, centers, sides, manifest.output.height)
        else:
            points = fractions(cells, centers, sides, size, stride)
        return {
            "landmarks": spread_rows(points, real),
            "scores": spread_rows(scores, real),
        }

    return serve


def decode_landmarks(heatmaps: tf.Tensor, manifest: LandmarkManifest) -> Answers:
    """`landmarks` `(n, k, 2)`, x and y in pixels of the crop, and `scores` `(n, k)`."""
    cells, scores = manifest.codec.decode(heatmaps)
    stride = float(manifest.output.stride)
    return {"landmarks": (cells + 0.5) * stride - 0.5, "scores": scores}


def encode_landmarks(answers: Answers, manifest: LandmarkManifest) -> Any:
    """What `locator` gives, from decoded answers."""
    stride = manifest.output.stride
    return (answers["landmarks"] + 0.5) / stride - 0.5, answers["scores"]


def _request(samples: Mapping[str, np.ndarray], factor: float) -> Request:
    """`boxes` have a row more than there are faces: what comes of padding is seen."""
    boxes = samples["boxes"] * np.float32(factor)
    return {
        "boxes": np.pad(boxes, ((0, 1), (0, 0)))[None],
        "people": np.array([len(boxes)], np.int32),
    }


def _allowed(
    manifest: LandmarkManifest, request: Request, tolerance: float
) -> dict[str, float]:
    # Between two equal neighbours rounding decides, by half a cell; then by a pixel.
    largest = float(request["boxes"][..., 2:].max()) * manifest.decoding.padding
    step = largest / manifest.output.height + (manifest.decoding.rule == "official")
    return {"scores": tolerance, "landmarks": step}


DECODER = Decoder(
    decode_landmarks,
    encode_landmarks,
    {
        "heatmaps": Answer("A heatmap a landmark."),
        "landmarks": Answer(
            "x and y of each landmark in pixels of the input.", rounded=True
        ),
        "scores": Answer("How sure each landmark is."),
    },
)
SIGNATURE = Signature(
    "landmarks",
    (
        IMAGES,
        tf.TensorSpec((None, None, 4), tf.float32, "boxes"),
        tf.TensorSpec((None,), tf.int32, "people"),
    ),
    serve_landmarks,
    replace(CROPPED, people=2048),
    _request,
    _allowed,
)
