"""Encoded images and boxes to keypoints, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.limits import Limits
from hrnet_tf.images.preprocess import upright_to_image, warp_upright
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
    size, unbiased = manifest.input.size, manifest.codec.unbiased

    def cut(image: tf.Tensor, centers: tf.Tensor, widths: tf.Tensor) -> tf.Tensor:
        return warp_upright(image, centers, widths, size, unbiased)

    def to_image(cells: tf.Tensor, centers: tf.Tensor, widths: tf.Tensor) -> tf.Tensor:
        places = centers, widths, manifest.output.size, unbiased
        return upright_to_image(cells, *places)

    look = serve_boxes(
        locator(network, manifest),
        manifest,
        limits,
        count=len(manifest.keypoints),
        crops_of=manifest.crops_of,
        cut=cut,
        to_image=to_image,
    )

    def serve(*given: tf.Tensor) -> dict[str, tf.Tensor]:
        keypoints, scores = look(*given)
        return {"keypoints": keypoints, "scores": scores}

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
    "keypoints", INPUTS, serve_keypoints, LIMITS, request_of_boxes, _allowed
)
