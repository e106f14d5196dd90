"""Encoded images to classes, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.in_graph import in_parts
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import (
    CROPPED,
    IMAGES,
    TOLERANCE,
    Answer,
    Answers,
    Decoder,
    Request,
    Signature,
    middles_of,
)
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.predictor import classifier


def serve_classes(
    network: Network, manifest: ClassificationManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes to classes: nothing is left to prepare.

    Args:
        network: normalised images to logits.
        manifest: what the network takes, and its classes.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`) to a dictionary: `probabilities`,
        float32 `(n, classes)`, and `label`, the likeliest class's name, strings `(n,)`.
        It fails with InvalidArgument beyond the limits.
    """
    classify = classifier(network, manifest)
    names = tf.constant(manifest.classes)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        crops = middles_of(image_bytes, manifest.input, limits, manifest.crop_share)
        probabilities = in_parts(classify, crops, (len(manifest.classes),))
        label = tf.gather(names, tf.argmax(probabilities, axis=-1))
        return {"probabilities": probabilities, "label": label}

    return serve


def decode_classes(logits: tf.Tensor, manifest: ClassificationManifest) -> Answers:
    """`probabilities` `(n, classes)`."""
    return {"probabilities": tf.nn.softmax(logits)}


def _allowed(manifest: Any, request: Request, tolerance: float) -> dict[str, float]:
    return {"probabilities": TOLERANCE}


DECODER = Decoder(
    decode_classes,
    lambda found, _: found["probabilities"],
    {
        "logits": Answer("A number a class, before softmax.", classes="axis"),
        "probabilities": Answer("A share a class.", classes="axis"),
    },
)
SIGNATURE = Signature("classify", (IMAGES,), serve_classes, CROPPED, allowed=_allowed)
