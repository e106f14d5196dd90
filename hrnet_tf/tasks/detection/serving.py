"""Encoded images to objects inside a graph, and what answers of detectors are.

All that the predictor does is done here: the same pixels are seen (OpenCV's resizing,
to the last bit), the same padding, and boxes go back by the same factors.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tensorflow as tf

from hrnet_tf.images.in_graph import checked_files, decode_rgb
from hrnet_tf.images.limits import Limits
from hrnet_tf.images.resizing_in_graph import resized_as_opencv
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import (
    CROPPED,
    IMAGES,
    Answer,
    Answers,
    Decoder,
    Signature,
)
from hrnet_tf.tasks.detection.comparison import differences
from hrnet_tf.tasks.detection.config import LEAST_SIDE
from hrnet_tf.tasks.detection.geometry import normalised
from hrnet_tf.tasks.detection.manifest import DetectionManifest
from hrnet_tf.tasks.detection.padding import padded

# A detector sees images at its own scale, however large they are.
LIMITS = replace(CROPPED, images=32)

# Of an answer, by name: the shape of one image's part, and its type.
SPECS = {
    "boxes": ((None, 4), tf.float32),
    "scores": ((None,), tf.float32),
    "labels": ((None,), tf.int32),
    "counts": ((), tf.int32),
    "masks": ((None, None, None), tf.float32),
}


def serve_objects(
    network: Network, manifest: DetectionManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes to objects: nothing is left to prepare.

    Images are looked at one after the other, each at its own size.

    Args:
        network: normalised images, padded with zeros, to what a detector answers.
        manifest: how large images are looked at, and what labels mean.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`) to a dictionary, best first and
        zero where nothing is any more: `boxes`, float32 `(n, 100, 4)`: x, y, width,
        height in pixels of the image, as the signatures of models that look at boxes
        take them; `scores`, float32 `(n, 100)`; `labels`, int32 `(n, 100)`, -1 where
        nothing is, and `names`, strings `(n, 100)`, what they mean; `counts`, int32
        `(n,)`, how many are found; and where masks are looked for `masks`, float32 `(n,
        100, 28, 28)`: how likely each part of a box belongs to the object. It fails
        with InvalidArgument beyond the limits.
    """
    kinds = ["boxes", "scores", "labels", "counts"]
    kinds += ["masks"] if manifest.masks else []
    specs = {name: tf.TensorSpec(*SPECS[name]) for name in kinds}
    names = tf.constant(["", *manifest.class_names])

    def serve(image_bytes: tf.Tensor) -> Answers:
        files = checked_files(image_bytes, limits, manifest.input.orientation)

        def look(index: tf.Tensor) -> Answers:
            image = decode_rgb(files.contents[index], files.turns[index])
            return look_at_image(network, image, manifest)

        numbers = tf.range(tf.shape(files.sizes)[0])
        found = tf.map_fn(
            look, numbers, fn_output_signature=specs, parallel_iterations=1
        )
        return {**found, "names": tf.gather(names, found["labels"] + 1)}

    return serve


def look_at_image(
    network: Network, image: tf.Tensor, manifest: DetectionManifest
) -> Answers:
    """What a detector finds in one image, in its pixels.

    Args:
        network: normalised images, padded with zeros, to what a detector answers.
        image: uint8 RGB `(height, width, 3)`.
        manifest: how large it is looked at.
    """
    given = tf.shape(image)[:2]
    fitted, whole = sizes_of_look(given, manifest)
    seen = resized_as_opencv(image, fitted)[None]
    takes = manifest.input
    channels = takes.mean, takes.std, takes.color_order
    found = network(padded(normalised(seen, fitted[None], *channels), whole))
    # Divided as NumPy does it, in float32.
    factors = tf.cast(fitted / given, tf.float32)[::-1]
    boxes = found["boxes"][0] / tf.concat([factors, factors], axis=0)
    sides = boxes[:, 2:] - boxes[:, :2]
    of_image = {name: values[0] for name, values in found.items()}
    return {**of_image, "boxes": tf.concat([boxes[:, :2], sides], axis=1)}


def sizes_of_look(
    given: tf.Tensor, manifest: DetectionManifest
) -> tuple[tf.Tensor, tf.Tensor]:
    """How large an image is seen, and what the network takes of it with its padding.

    Args:
        given: int32 `(2,)`, height and width of the image.
        manifest: its scale, or where the network takes one size only that size.

    Returns:
        Both int32 `(2,)`: what `geometry.fitted_size` and `padded_side` say.
    """
    sides = tf.cast(given, tf.float64)
    if manifest.input.any_size:
        longer, shorter = max(manifest.scale), min(manifest.scale)
        factors = [longer / tf.reduce_max(sides), shorter / tf.reduce_min(sides)]
    else:
        height, width = manifest.input.size
        factors = [height / sides[0], width / sides[1]]
    fitted = tf.cast(sides * tf.minimum(*factors) + 0.5, tf.int32)
    fitted = tf.maximum(fitted, 1)
    if not manifest.input.any_size:
        return fitted, tf.constant(manifest.input.size)
    multiple = manifest.input.multiple
    return fitted, tf.maximum(-(-fitted // multiple) * multiple, LEAST_SIDE)


def by_name(answer: Any, manifest: DetectionManifest) -> Answers:
    """What a detector answers, as the tensors that files give."""
    return dict(answer)


DECODER = Decoder(
    by_name,
    lambda answers, manifest: answers,
    {
        "boxes": Answer("x1, y1, x2, y2 of each object in pixels of the input."),
        "scores": Answer("How sure each object is; 0 where there is none."),
        "labels": Answer("The class of each object; -1: none.", classes="value"),
        "counts": Answer("How many objects there are."),
        "masks": Answer("How likely each part of a box belongs to the object."),
    },
    by_name,
    lambda expected, found, manifest: differences(expected, found, manifest.least),
)
SIGNATURE = Signature("detect", (IMAGES,), serve_objects, LIMITS)
