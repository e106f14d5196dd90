"""What runs inside exported graphs: from encoded images to answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hrnet_tf.manifest import (
    ClassificationManifest,
    PoseManifest,
    RegressionManifest,
    SegmentationManifest,
    TaskManifest,
)
from hrnet_tf.predictors.classification import classifier
from hrnet_tf.predictors.dense import look_at_whole
from hrnet_tf.predictors.pose import locator
from hrnet_tf.predictors.regression import regressor
from hrnet_tf.predictors.segmentation import label_pixels, scorer
from hrnet_tf.preprocess import central_crop

# Normalised images to heatmaps or logits.
Network = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Signature:
    """A signature of SavedModels that takes encoded images.

    Attributes:
        name: of the signature.
        inputs: what it takes; `image_bytes` first.
        make: gives the function, for a network and a manifest.
    """

    name: str
    inputs: tuple[tf.TensorSpec, ...]
    make: Callable[[Network, Any], Callable]


def serve_keypoints(network: Network, manifest: PoseManifest) -> Callable:
    """From JPEG or PNG bytes and boxes to keypoints: nothing is left to prepare.

    Args:
        network: normalised images to heatmaps.
        manifest: what the network takes and how its heatmaps are read.

    Returns:
        A function of `image_bytes` (a scalar string) and `boxes` (float32 `(people,
        4)`: x, y, width, height in image pixels) to a dictionary: `keypoints`, float32
        `(people, k, 2)`, x and y in image pixels, and `scores`, float32 `(people, k)`.
    """
    locate = locator(network, manifest)
    height, width = manifest.input.size

    def serve(image_bytes: tf.Tensor, boxes: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
        tf.debugging.assert_positive(
            boxes[:, 2:],
            "`boxes` must be x, y, width, height with positive width and height.",
        )
        centers = boxes[:, :2] + boxes[:, 2:] / 2
        widths = tf.maximum(boxes[:, 2], boxes[:, 3] * width / height)
        widths *= manifest.decoding.padding
        cells, scores = locate(crop_people(image, centers, widths, (height, width)))
        middle = tf.constant([manifest.output.width / 2, manifest.output.height / 2])
        scale = widths / manifest.output.width
        keypoints = centers[:, None] + (cells - middle) * scale[:, None, None]
        return {"keypoints": keypoints, "scores": scores}

    return serve


def serve_classes(network: Network, manifest: ClassificationManifest) -> Callable:
    """From JPEG or PNG bytes to classes: nothing is left to prepare.

    Args:
        network: normalised images to logits.
        manifest: what the network takes, and its classes.

    Returns:
        A function of `image_bytes` (a scalar string) to a dictionary: `probabilities`,
        float32 `(classes,)`, and `label`, the likeliest class's name.
    """
    classify = classifier(network, manifest)
    names = tf.constant(manifest.classes)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
        crop = central_crop(image, manifest.input.size, manifest.crop_share)
        probabilities = classify(crop[None])[0]
        return {
            "probabilities": probabilities,
            "label": tf.gather(names, tf.argmax(probabilities)),
        }

    return serve


def crop_people(
    image: tf.Tensor, centers: tf.Tensor, widths: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """`preprocess.warp` of upright crops, in TensorFlow.

    Args:
        image: uint8 `(height, width, 3)`.
        centers: float32 `(n, 2)`, in image pixels.
        widths: float32 `(n,)`, in image pixels.
        size: height and width of a crop in its own pixels.

    Returns:
        float32 `(n, size[0], size[1], 3)` in 0..255, whole numbers as in uint8.
    """
    images = tf.cast(image, tf.float32)[None]
    scale = widths / size[1]
    corner = centers - scale[:, None] * tf.constant([size[1] / 2, size[0] / 2])
    zero = tf.zeros_like(scale)
    x, y = corner[:, 0], corner[:, 1]
    transforms = tf.stack([scale, zero, x, zero, scale, y, zero, zero], axis=-1)

    def crop(transform: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=transform[None],
            output_shape=tf.constant(size),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )[0]

    crops = tf.map_fn(
        crop, transforms, fn_output_signature=tf.TensorSpec((*size, 3), tf.float32)
    )
    return tf.round(crops)


def serve_labels(network: Network, manifest: SegmentationManifest) -> Callable:
    """From JPEG or PNG bytes to a label for every pixel: nothing is left to prepare.

    Args:
        network: normalised images of any size to logits.
        manifest: what the network takes, and its classes.

    Returns:
        A function of `image_bytes` (a scalar string) to a dictionary: `labels`, uint8
        `(height, width)`, indices of the manifest's classes, and `confidence`, float32
        `(height, width)`, both at the size of the image. The image is looked at whole
        and once, at the size that the manifest's `views` say; their scales and window
        do not count.
    """
    look = look_at_whole(scorer(network, manifest), manifest)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
        labels, confidence = label_pixels(look(image)[0])
        return {"labels": labels, "confidence": confidence}

    return serve


def serve_maps(network: Network, manifest: RegressionManifest) -> Callable:
    """From JPEG or PNG bytes to numbers of every pixel: nothing is left to prepare.

    Args:
        network: normalised images of any size to a map.
        manifest: what the network takes, and what its numbers mean.

    Returns:
        A function of `image_bytes` (a scalar string) to a dictionary: `values`, float32
        `(height, width, channels)`, at the size of the image. The image is looked at
        whole and once, at the size that the manifest's `views` say; their scales and
        window do not count.
    """
    look = look_at_whole(regressor(network, manifest), manifest)
    powers = tf.constant(manifest.channels.powers, tf.float32)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
        seen, factor = look(image)
        return {"values": seen / tf.pow(factor, powers)}

    return serve


_IMAGE_BYTES = tf.TensorSpec((), tf.string, "image_bytes")

SIGNATURES = {
    "pose": Signature(
        "keypoints",
        (_IMAGE_BYTES, tf.TensorSpec((None, 4), tf.float32, "boxes")),
        serve_keypoints,
    ),
    "classification": Signature("classify", (_IMAGE_BYTES,), serve_classes),
    "segmentation": Signature("segment", (_IMAGE_BYTES,), serve_labels),
    "regression": Signature("regress", (_IMAGE_BYTES,), serve_maps),
}


def signature_of(manifest: TaskManifest) -> Signature:
    """The one of a manifest's task."""
    return SIGNATURES[manifest.task]
