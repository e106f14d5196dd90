"""Encoded images and boxes to keypoints, inside a graph."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.boxes import SMALLEST
from hrnet_tf.images.in_graph import (
    checked_files,
    decode_rgb,
    in_parts,
    map_flat,
    require,
)
from hrnet_tf.images.limits import Limits
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
    locate, size = locator(network, manifest), manifest.input.size
    aspect = size[1] / size[0]

    def look(crops: tf.Tensor) -> tf.Tensor:
        cells, scores = locate(crops)
        return tf.concat([cells, scores[..., None]], axis=-1)

    def serve(
        image_bytes: tf.Tensor, boxes: tf.Tensor, people: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        real = _real_rows(image_bytes, boxes, people, limits)
        with tf.control_dependencies([real]):
            image_bytes, people = tf.identity(image_bytes), tf.identity(people)
        files = checked_files(image_bytes, limits, manifest.input.orientation)
        of_image = tf.where(real)[:, 0]
        boxes = tf.boolean_mask(boxes, real)
        boxes = _placed(boxes, tf.gather(files.sizes, of_image), limits.reach)
        centers = boxes[:, :2] + boxes[:, 2:] / 2
        widths = tf.maximum(boxes[:, 2], boxes[:, 3] * aspect)
        widths = tf.maximum(widths, SMALLEST) * manifest.decoding.padding
        first = tf.cumsum(people, exclusive=True)

        def crop(index: tf.Tensor) -> tf.Tensor:
            own = slice(first[index], first[index] + people[index])
            image = decode_rgb(files.contents[index], files.turns[index])
            return crop_people(image, centers[own], widths[own], size)

        with tf.control_dependencies([boxes]):
            numbers = tf.range(tf.size(people))
        crops = map_flat(crop, numbers, tf.TensorSpec((None, *size, 3), tf.uint8))
        found = in_parts(look, crops, (len(manifest.keypoints), 3))
        cells, scores = found[..., :2], found[..., 2]
        middle = tf.constant([manifest.output.width / 2, manifest.output.height / 2])
        scale = widths / manifest.output.width
        keypoints = centers[:, None] + (cells - middle) * scale[:, None, None]
        return {"keypoints": _spread(keypoints, real), "scores": _spread(scores, real)}

    return serve


def _real_rows(
    image_bytes: tf.Tensor, boxes: tf.Tensor, people: tf.Tensor, limits: Limits
) -> tf.Tensor:
    """Which boxes are real, boolean `(n, most)`, if the three fit together."""
    counts = [tf.shape(x, tf.int64)[0] for x in (image_bytes, boxes, people)]
    most, people = tf.shape(boxes, tf.int64)[1], tf.cast(people, tf.int64)
    total = tf.reduce_sum(people)
    checks = [
        require(
            (counts[0] == counts[1]) & (counts[0] == counts[2]),
            "`image_bytes`, `boxes` and `people` must have one entry an image each, "
            "got {}, {} and {}.",
            *counts,
        ),
        require(
            tf.reduce_all((people >= 0) & (people <= most)),
            "`people` must say how many of the {} rows that an image has in `boxes` "
            "are real, got {}.",
            most,
            people,
        ),
        require(
            (total <= limits.people) & (most <= limits.people),
            f"A batch may hold {limits.people} people, got {{}} (and {{}} rows for "
            "each image); send fewer at a time.",
            *(total, most),
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.sequence_mask(people, most)


def _placed(boxes: tf.Tensor, sizes: tf.Tensor, reach: float) -> tf.Tensor:
    """Boxes, if all of them keep to the rule of `hrnet_tf.images.boxes`.

    Args:
        boxes: float32 `(people, 4)`.
        sizes: height and width of each one's image, int32 `(people, 2)`.
        reach: see `Limits`.
    """
    numbers = tf.cast(boxes, tf.float64)  # sums of two boxes' numbers are finite
    begin, end = numbers[:, :2], numbers[:, :2] + numbers[:, 2:]
    image = tf.cast(sizes[:, ::-1], tf.float64)
    has_area = tf.reduce_all(tf.math.is_finite(boxes), axis=-1)
    has_area &= tf.reduce_all(boxes[:, 2:] > 0, axis=-1)
    beyond = tf.reduce_max(tf.maximum(-begin, end - image), axis=-1)
    near = tf.reduce_all((begin < image) & (end > 0), axis=-1)
    near &= beyond <= reach * tf.reduce_max(image, axis=-1)
    checks = [
        require(
            tf.reduce_all(has_area),
            "`boxes` must be x, y, width, height with positive width and height, got "
            "{}.",
            tf.boolean_mask(boxes, ~has_area),
        ),
        require(
            tf.reduce_all(near),
            "`boxes` must cover some of their image and may reach beyond it by "
            f"{reach:g} times its longer side; got {{}} in images of {{}} (width, "
            "height).",
            *(tf.boolean_mask(x, ~near) for x in (boxes, sizes[:, ::-1])),
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(boxes)


def _spread(values: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """What holds for real rows, `(people, ...)`, as `(n, most, ...)`; zero elsewhere.

    Args:
        values: of the real rows.
        real: boolean `(n, most)`.
    """
    shape = tf.concat([tf.shape(real), tf.shape(values)[1:]], axis=0)
    places = tf.cast(tf.where(real), tf.int32)
    return tf.scatter_nd(places, values, shape)


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
        uint8 `(n, size[0], size[1], 3)`.
    """
    images = tf.cast(image, tf.float32)[None]
    scale = widths / size[1]
    corner = centers - scale[:, None] * tf.constant([size[1] / 2, size[0] / 2])
    zero = tf.zeros_like(scale)
    x, y = corner[:, 0], corner[:, 1]
    transforms = tf.stack([scale, zero, x, zero, scale, y, zero, zero], axis=-1)

    def crop(transform: tf.Tensor) -> tf.Tensor:
        found = tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=transform[None],
            output_shape=tf.constant(size),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )[0]
        return tf.cast(tf.round(found), tf.uint8)

    crops = tf.TensorSpec((*size, 3), tf.uint8)
    return tf.map_fn(crop, transforms, fn_output_signature=crops)


def decode_keypoints(heatmaps: tf.Tensor, manifest: PoseManifest) -> Answers:
    """`keypoints` `(n, k, 2)`, x and y in pixels of the crop, and `scores` `(n, k)`."""
    cells, scores = manifest.codec.decode(heatmaps)
    return {"keypoints": cells * float(manifest.output.stride), "scores": scores}


def encode_keypoints(answers: Answers, manifest: PoseManifest) -> Any:
    """What `locator` gives, from decoded answers."""
    return answers["keypoints"] / manifest.output.stride, answers["scores"]


def _request(samples: Mapping[str, np.ndarray], factor: float) -> Request:
    """`boxes` have a row more than there are people: what comes of padding is seen."""
    boxes = samples["boxes"] * np.float32(factor)
    return {
        "boxes": np.pad(boxes, ((0, 1), (0, 0)))[None],
        "people": np.array([len(boxes)], np.int32),
    }


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
    "keypoints",
    (
        IMAGES,
        tf.TensorSpec((None, None, 4), tf.float32, "boxes"),
        tf.TensorSpec((None,), tf.int32, "people"),
    ),
    serve_keypoints,
    replace(CROPPED, people=2048),
    _request,
    _allowed,
)
