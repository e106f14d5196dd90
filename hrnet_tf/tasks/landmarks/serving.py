"""Encoded images and boxes to landmarks, inside a graph."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.boxes import SMALLEST
from hrnet_tf.images.limits import Limits
from hrnet_tf.images.preprocess import warp_upright
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import (
    Answer,
    Answers,
    Decoder,
    Request,
    Signature,
)
from hrnet_tf.tasks.keypoints.boxed_serving import (
    INPUTS,
    LIMITS,
    request_of_boxes,
    serve_boxes,
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
    size, decoding = manifest.input.height, manifest.decoding
    official = decoding.rule == "official"

    def crops_of(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sides = tf.maximum(tf.reduce_max(boxes[:, 2:], axis=1), SMALLEST)
        return boxes[:, :2] + boxes[:, 2:] / 2, sides * np.float32(decoding.padding)

    def cut(image: tf.Tensor, centers: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
        if not official:
            return warp_upright(image, centers, sides, (size, size))
        return crop_faces(image, centers, sides, size, decoding.stretched_twice)

    def to_image(cells: tf.Tensor, centers: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
        if official:
            return whole_pixels(cells, centers, sides, manifest.output.height)
        return fractions(cells, centers, sides, size, manifest.output.stride)

    look = serve_boxes(
        locator(network, manifest),
        manifest,
        limits,
        count=len(manifest.landmarks),
        crops_of=crops_of,
        cut=cut,
        to_image=to_image,
    )

    def serve(*given: tf.Tensor) -> dict[str, tf.Tensor]:
        landmarks, scores = look(*given)
        return {"landmarks": landmarks, "scores": scores}

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
    "landmarks", INPUTS, serve_landmarks, LIMITS, request_of_boxes, _allowed
)
