"""Encoded images to labels of every pixel, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import (
    IMAGES,
    SEEN_WHOLE,
    TOLERANCE,
    Answer,
    Answers,
    Decoder,
    Request,
    Signature,
)
from hrnet_tf.tasks.dense.predictor import look_at_whole
from hrnet_tf.tasks.dense.serving import answers_of_images, at_pixels
from hrnet_tf.tasks.segmentation.classes import IGNORED
from hrnet_tf.tasks.segmentation.manifest import SegmentationManifest
from hrnet_tf.tasks.segmentation.predictor import HIGHEST, label_pixels, scorer


def decode_labels(logits: tf.Tensor, manifest: SegmentationManifest) -> Answers:
    """`labels`, uint8, and `confidence`, `(n, height, width)` at the input's size."""
    scores = tf.exp(tf.minimum(at_pixels(logits, manifest), HIGHEST))
    labels, confidence = label_pixels(scores)
    return {"labels": labels, "confidence": confidence}


def encode_labels(answers: Answers, manifest: SegmentationManifest) -> tf.Tensor:
    """A score a class whose highest one and whose sum are those of the answer."""
    count = len(manifest.classes)
    sure = answers["confidence"][..., None]
    hot = tf.one_hot(tf.cast(answers["labels"], tf.int32), count)
    return hot * sure + (1 - hot) * (1 - sure) / max(1, count - 1)


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
        found, sizes = answers_of_images(answer, image_bytes, manifest, limits, 2)
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


def _allowed(manifest: Any, request: Request, tolerance: float) -> dict[str, float]:
    return {"confidence": TOLERANCE, "size": 0}


DECODER = Decoder(
    decode_labels,
    encode_labels,
    {
        "logits": Answer("A number a class, before softmax.", classes="axis"),
        "labels": Answer("The class of each pixel.", classes="value", rounded=True),
        "confidence": Answer("How sure each label is, 0 to 1."),
    },
)
SIGNATURE = Signature("segment", (IMAGES,), serve_labels, SEEN_WHOLE, allowed=_allowed)
