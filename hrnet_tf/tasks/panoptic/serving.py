"""Encoded images to segments, inside a graph."""

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
from hrnet_tf.tasks.panoptic.manifest import OUTPUTS, PanopticManifest
from hrnet_tf.tasks.panoptic.predictor import (
    PixelAnswers,
    in_one,
    pixel_answers,
    segments_of,
    with_probabilities,
)
from hrnet_tf.tasks.panoptic.segments import VOID


def by_name(answer: Any, manifest: PanopticManifest) -> Answers:
    """What a network answers, as the tensors that files give."""
    return {name: answer[name] for name in OUTPUTS}


def decode_pixels(answer: Any, manifest: PanopticManifest) -> Answers:
    """What a file that decodes gives, at the input's size.

    Pixels are not grouped there: such files consist of operations that every
    accelerator knows, without loops, so this is as far as they go.

    Returns:
        `labels`, uint8, `confidence` and `centers`, `(n, height, width)`, and
        `offsets`, `(n, height, width, 2)`, down and right in pixels.
    """
    maps = at_pixels(in_one(answer, manifest.output.stride), manifest)
    found = PixelAnswers.of(with_probabilities(maps))
    return {
        "labels": tf.cast(tf.argmax(found.scores, axis=-1), tf.uint8),
        "confidence": tf.reduce_max(found.scores, axis=-1),
        "centers": found.centers,
        "offsets": found.offsets,
    }


def encode_pixels(answers: Answers, manifest: PanopticManifest) -> tf.Tensor:
    """What the predictor works on, with a score a class whose highest is the answer."""
    count = len(manifest.classes)
    sure = answers["confidence"][..., None]
    hot = tf.one_hot(tf.cast(answers["labels"], tf.int32), count)
    scores = hot * sure + (1 - hot) * (1 - sure) / max(1, count - 1)
    # As sure as another one is no class at all.
    scores = tf.where(hot > 0, sure, tf.minimum(scores, sure * 0.999))
    return tf.concat([scores, answers["centers"][..., None], answers["offsets"]], -1)


def serve_segments(
    network: Network, manifest: PanopticManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes to segments: nothing is left to do.

    Args:
        network: normalised images of any size to what `HRNetPanoptic` answers.
        manifest: what the network takes, its classes, and how pixels are grouped.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`) to a dictionary: `segments`, int32
        `(n, height, width)`, `class * 1000 + number`, the number being 0 for stuff and
        1 and more for the things of a class, and 255000 where nothing is known;
        `confidence`, float32 `(n, height, width)`, how likely the class of each pixel
        is; and `size`, int32 `(n, 2)`, height and width of each image. The first two
        are as large as the largest image; beyond an image's own size they are 255000
        and 0. Each image is looked at whole and once, at the size that the manifest's
        `views` say; their scales and window do not count. It fails with InvalidArgument
        beyond the limits.
    """
    look = look_at_whole(pixel_answers(network, manifest), manifest)

    def answer(image: tf.Tensor) -> tf.Tensor:
        seen, factor = look(image)
        seen = tf.concat([seen[..., :-2], seen[..., -2:] / factor], axis=-1)
        segments, confidence = segments_of(seen, manifest)
        # From void, so that what is padded with zeros is void: whole numbers that
        # float32 holds.
        return tf.stack([tf.cast(VOID - segments, tf.float32), confidence], axis=-1)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        found, sizes = answers_of_images(answer, image_bytes, manifest, limits, 2)
        return {
            "segments": VOID - tf.cast(found[..., 0], tf.int32),
            "confidence": found[..., 1],
            "size": sizes,
        }

    return serve


def _allowed(manifest: Any, request: Request, tolerance: float) -> dict[str, float]:
    return {"confidence": TOLERANCE, "size": 0}


DECODER = Decoder(
    decode_pixels,
    encode_pixels,
    {
        "semantic": Answer("A number a class, before softmax.", classes="axis"),
        "center": Answer("How near the middle of a thing is, of each cell."),
        "offset": Answer("Cells down and right to the middle of each cell's thing."),
        "labels": Answer("The class of each pixel.", classes="value", rounded=True),
        "confidence": Answer("How sure each label is, 0 to 1."),
        "centers": Answer("How near the middle of a thing is, of each pixel."),
        "offsets": Answer("Pixels down and right to the middle of each pixel's thing."),
    },
    by_name,
)
SIGNATURE = Signature(
    "panoptic", (IMAGES,), serve_segments, SEEN_WHOLE, allowed=_allowed
)
