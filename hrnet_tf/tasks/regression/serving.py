"""Encoded images to numbers of every pixel, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import (
    IMAGES,
    SEEN_WHOLE,
    Answer,
    Answers,
    Decoder,
    Request,
    Signature,
)
from hrnet_tf.tasks.dense.predictor import look_at_whole
from hrnet_tf.tasks.dense.serving import answers_of_images, at_pixels
from hrnet_tf.tasks.regression.manifest import RegressionManifest
from hrnet_tf.tasks.regression.predictor import regressor


def decode_maps(maps: tf.Tensor, manifest: RegressionManifest) -> Answers:
    """`values` `(n, height, width, channels)` at the input's size."""
    return {"values": at_pixels(maps, manifest)}


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

    def answer(image: tf.Tensor) -> tf.Tensor:
        seen, factor = look(image)
        return seen / manifest.channels.enlarged(factor)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        channels = len(manifest.channels)
        values, sizes = answers_of_images(
            answer, image_bytes, manifest, limits, channels
        )
        return {"values": values, "size": sizes}

    return serve


def _allowed(manifest: Any, request: Request, tolerance: float) -> dict[str, float]:
    return {"values": tolerance, "size": 0}


DECODER = Decoder(
    decode_maps,
    lambda found, _: found["values"],
    {
        "maps": Answer("Numbers of every cell."),
        "values": Answer("Numbers of every pixel."),
    },
)
SIGNATURE = Signature("regress", (IMAGES,), serve_maps, SEEN_WHOLE, allowed=_allowed)
