"""What exported files with decoding inside answer, and how that is read again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.networks.layers import resize_bilinear
from hrnet_tf.tasks.base.manifest import (
    ClassificationManifest,
    DenseManifest,
    PoseManifest,
    RegressionManifest,
    SegmentationManifest,
    TaskManifest,
)
from hrnet_tf.tasks.segmentation.predictor import HIGHEST, label_pixels

Answers = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Decoder:
    """From what a network answers to what users want to know, and back.

    Attributes:
        decode: heatmaps or logits and a manifest to answers by name.
        encode: these answers and a manifest to what the task's predictor works on.
    """

    decode: Callable[[tf.Tensor, Any], Answers]
    encode: Callable[[Answers, Any], Any]


def decode_keypoints(heatmaps: tf.Tensor, manifest: PoseManifest) -> Answers:
    """`keypoints` `(n, k, 2)`, x and y in pixels of the crop, and `scores` `(n, k)`."""
    cells, scores = manifest.codec.decode(heatmaps)
    return {"keypoints": cells * float(manifest.output.stride), "scores": scores}


def decode_classes(logits: tf.Tensor, manifest: ClassificationManifest) -> Answers:
    """`probabilities` `(n, classes)`."""
    return {"probabilities": tf.nn.softmax(logits)}


def decode_labels(logits: tf.Tensor, manifest: SegmentationManifest) -> Answers:
    """`labels`, uint8, and `confidence`, `(n, height, width)` at the input's size."""
    scores = tf.exp(tf.minimum(_at_pixels(logits, manifest), HIGHEST))
    labels, confidence = label_pixels(scores)
    return {"labels": labels, "confidence": confidence}


def decode_maps(maps: tf.Tensor, manifest: RegressionManifest) -> Answers:
    """`values` `(n, height, width, channels)` at the input's size."""
    return {"values": _at_pixels(maps, manifest)}


def _at_pixels(maps: tf.Tensor, manifest: DenseManifest) -> tf.Tensor:
    size = tf.constant(manifest.input.size)
    return resize_bilinear(maps, size, manifest.output.align_corners)


def _keypoints(answers: Answers, manifest: PoseManifest) -> Any:
    return answers["keypoints"] / manifest.output.stride, answers["scores"]


def _scores(answers: Answers, manifest: SegmentationManifest) -> tf.Tensor:
    """A score a class whose highest one and whose sum are those of the answer."""
    count = len(manifest.classes)
    sure = answers["confidence"][..., None]
    hot = tf.one_hot(tf.cast(answers["labels"], tf.int32), count)
    return hot * sure + (1 - hot) * (1 - sure) / max(1, count - 1)


DECODERS = {
    "pose": Decoder(decode_keypoints, _keypoints),
    "classification": Decoder(decode_classes, lambda found, _: found["probabilities"]),
    "segmentation": Decoder(decode_labels, _scores),
    "regression": Decoder(decode_maps, lambda found, _: found["values"]),
}


def decode(answer: tf.Tensor, manifest: TaskManifest) -> Answers:
    """What a network's answer means, by name; see `DECODERS`."""
    return DECODERS[manifest.task].decode(answer, manifest)


def reader(
    network: Callable[[tf.Tensor], Answers], manifest: TaskManifest
) -> Callable[[tf.Tensor], Any]:
    """All that happens to crops around a network that decodes what it finds.

    Args:
        network: normalised images to answers by name.
        manifest: what it takes.

    Returns:
        A function of RGB crops `(n, height, width, 3)`, 0..255, to what the `in_graph`
        of the task's predictor gives.
    """

    def read(crops: tf.Tensor) -> Any:
        images = preprocess_input(crops, manifest.input.mean, manifest.input.std)
        return DECODERS[manifest.task].encode(network(images), manifest)

    return read
