"""Encoded images to merged maps inside a graph, and maps as separate tensors.

People are put together outside of graphs: who a candidate belongs to is decided one
after the other, by an assignment whose ties are part of the method, and by a search of
the whole image for each keypoint that is missing. As TensorFlow's loops that takes many
times as long as the fifteen milliseconds of `grouping.group`.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.in_graph import checked_files, decode_rgb, map_flat, require
from hrnet_tf.images.limits import Limits
from hrnet_tf.networks.layers import resize_bilinear
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
from hrnet_tf.tasks.bottom_up.geometry import STEP
from hrnet_tf.tasks.bottom_up.manifest import BottomUpManifest
from hrnet_tf.tasks.bottom_up.predictor import people_maps, separated


def serve_people(
    network: Network, manifest: BottomUpManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes to where people's keypoints and tags are.

    Args:
        network: normalised images of any size to maps.
        manifest: what the network takes and how images are looked at.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`) to a dictionary: `merged_heatmaps`,
        float32 `(n, rows, columns, k)`, both resolutions averaged, at half of the size
        in which an image is seen; `merged_tags`, float32 `(n, rows / 2, columns / 2,
        k)`;
        `seen`, int32 `(n, 2)`, that height and width; and `matrices`, float32 `(n, 2,
        3)`, from its pixels to those of the image. Maps are as large as those of the
        largest image, and zero beyond an image's own. It fails with InvalidArgument
        beyond the limits.
    """
    look = people_maps(network, manifest.with_flip(False))

    def maps_of(image: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = look(_seen_whole(image, size)[None])
        half = found["heatmaps"]
        quarter = resize_bilinear(
            found["quarter_heatmaps"], tf.shape(half)[1:3], align_corners=False
        )
        return ((quarter + half) * 0.5)[0], found["tags"][0]

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        files = checked_files(image_bytes, limits, manifest.input.orientation)
        sizes = _sizes_of_looks(files.sizes, manifest)
        largest = tf.reduce_max(tf.pad(sizes, [[1, 0], [0, 0]]), axis=0)
        pixels = tf.reduce_prod(tf.cast(largest, tf.int64))
        images = tf.shape(sizes, tf.int64)[0]
        few = require(
            images * pixels <= limits.images * limits.pixels,
            "{} images that are looked at in up to {} pixels (height, width) are too "
            "many; send wide and tall ones apart.",
            *(images, largest),
        )
        keypoints = len(manifest.keypoints)

        def answer(index: tf.Tensor) -> tf.Tensor:
            image = decode_rgb(files.contents[index], files.turns[index])
            rows = []
            for stride, maps in zip((2, 4), maps_of(image, sizes[index]), strict=True):
                beyond = (largest - sizes[index]) // stride
                padded = tf.pad(maps, [[0, beyond[0]], [0, beyond[1]], [0, 0]])
                rows.append(tf.reshape(padded, (-1, keypoints)))
            return tf.concat(rows, axis=0)

        with tf.control_dependencies([few]):
            numbers = tf.range(tf.shape(sizes)[0])
        row = tf.TensorSpec((None, keypoints), tf.float32)
        found = map_flat(answer, numbers, row, at_once=1)
        cells = [(largest // stride) for stride in (2, 4)]
        lengths = [tf.reduce_prod(each) for each in cells]
        found = tf.reshape(found, (-1, tf.reduce_sum(lengths), keypoints))
        parts = found[:, : lengths[0]], found[:, lengths[0] :]
        heatmaps, tags = (
            tf.reshape(part, (-1, each[0], each[1], keypoints))
            for part, each in zip(parts, cells, strict=True)
        )
        return {
            "merged_heatmaps": heatmaps,
            "merged_tags": tags,
            "seen": sizes,
            "matrices": _matrices(files.sizes, sizes),
        }

    return serve


def _sizes_of_looks(sizes: tf.Tensor, manifest: BottomUpManifest) -> tf.Tensor:
    """Height and width in which images are looked at; `geometry.look_at` at scale 1."""
    if not manifest.input.any_size:
        return tf.zeros_like(sizes) + tf.constant(manifest.input.size)
    short = -(-manifest.looks.short_side // STEP) * STEP
    given = tf.cast(sizes, tf.float64)
    least = tf.reduce_min(given, axis=1, keepdims=True)
    steps = tf.floor((short / least * given + STEP - 1) / STEP)
    long = tf.cast(steps, tf.int32) * STEP
    shorter = sizes[:, 1:] < sizes[:, :1]  # tall images: the width is short
    height = tf.where(shorter, long[:, :1], short)
    width = tf.where(shorter, short, long[:, 1:])
    return tf.concat([height, width], axis=1)


def _matrices(sizes: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """From pixels of what is seen to pixels of the image, float32 `(n, 2, 3)`."""
    given, wanted = tf.cast(sizes, tf.float32), tf.cast(seen, tf.float32)
    scale = tf.reduce_max(given / wanted, axis=1)
    middle = tf.floor(given[:, ::-1] / 2 + 0.5)
    moved = middle - scale[:, None] * wanted[:, ::-1] / 2
    zero = tf.zeros_like(scale)
    rows = [[scale, zero, moved[:, 0]], [zero, scale, moved[:, 1]]]
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=1)


def _seen_whole(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """An image as a network sees it, uint8; `preprocess.warp` in TensorFlow."""
    matrix = _matrices(tf.shape(image)[None, :2], size[None])[0]
    transforms = tf.concat([tf.reshape(matrix, (-1,)), [0.0, 0.0]], axis=0)
    found = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[None],
        transforms=transforms[None],
        output_shape=size,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[0]
    return tf.cast(tf.round(found), tf.uint8)


def split_maps(answer: Any, manifest: BottomUpManifest) -> Answers:
    """A network's maps by the names of their tensors, since they differ in range."""
    return separated(answer, len(manifest.keypoints))


def merged_maps(answer: Any, manifest: BottomUpManifest) -> Answers:
    """What a file that decodes gives: both resolutions averaged, and the tags."""
    found = separated(answer, len(manifest.keypoints))
    half = found["heatmaps"]
    size = tf.constant(half.shape[1:3])
    quarter = resize_bilinear(found["quarter_heatmaps"], size, align_corners=False)
    return {"heatmaps": (quarter + half) * 0.5, "tags": found["tags"]}


def as_outputs(answers: Answers, manifest: BottomUpManifest) -> Answers:
    """Merged maps as if a network had answered them."""
    heatmaps = answers["heatmaps"]
    size = tf.constant([side // 2 for side in heatmaps.shape[1:3]])
    quarter = resize_bilinear(heatmaps, size, align_corners=False)
    again = resize_bilinear(quarter, tf.shape(heatmaps)[1:3], align_corners=False)
    return {
        "quarter_heatmaps": quarter,
        "heatmaps": 2.0 * heatmaps - again,
        "tags": answers["tags"],
    }


def _allowed(manifest: Any, request: Request, tolerance: float) -> dict[str, float]:
    names = ("merged_heatmaps", "merged_tags")
    return {"seen": 0, "matrices": 1e-3, **dict.fromkeys(names, tolerance)}


DECODER = Decoder(
    merged_maps,
    as_outputs,
    {
        "quarter_heatmaps": Answer("A heatmap a keypoint, at a quarter of the size."),
        "heatmaps": Answer("A heatmap a keypoint, at half of the size."),
        "tags": Answer("Who each place belongs to, for each keypoint."),
    },
    split_maps,
)
SIGNATURE = Signature("people", (IMAGES,), serve_people, SEEN_WHOLE, allowed=_allowed)
