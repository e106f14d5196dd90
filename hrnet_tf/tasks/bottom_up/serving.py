"""Encoded images to people inside a graph, and maps as separate tensors.

People are put together inside the graph: the steps of `grouping.py` are operations of
TensorFlow in `graph_grouping.py`, whose answers are NumPy's to the last digit where
maps are. Ten people at 512 pixels take some ten milliseconds more than there, since
an operation is begun anew for each of many small steps.
"""

import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.common.reading import Reading
from hrnet_tf.images.header import read_header
from hrnet_tf.images.in_graph import (
    checked_files,
    decode_rgb,
    map_padded,
    require,
    require_seen,
)
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
from hrnet_tf.tasks.bottom_up.graph_grouping import group
from hrnet_tf.tasks.bottom_up.graph_maps import GraphMaps
from hrnet_tf.tasks.bottom_up.looks import STEP
from hrnet_tf.tasks.bottom_up.manifest import BottomUpManifest
from hrnet_tf.tasks.bottom_up.predictor import people_maps, separated


def serve_people(
    network: Network, manifest: BottomUpManifest, limits: Limits
) -> Callable:
    """From JPEG or PNG bytes to everyone in them: nothing is left to do.

    Args:
        network: normalised images of any size to maps.
        manifest: what the network takes, how images are looked at (once, not mirrored)
            and people put together.
        limits: what is refused.

    Returns:
        A function of `image_bytes` (strings `(n,)`) to a dictionary: `keypoints`,
        float32 `(n, most, k, 3)`, x and y in pixels of the image and how sure each is,
        zero where a person has none; `scores`, float32 `(n, most)`, how sure each
        person is; and `counts`, int32 `(n,)`, how many people an image has: those come
        first, in the order in which they were found, and the rest is zero. `most` is
        the largest of the counts. It fails with InvalidArgument beyond the limits, and
        where the network answers with NaN or infinity.
    """
    look = people_maps(network, manifest.with_flip(False))
    finer = 2 if manifest.looks.project else 1
    count = len(manifest.keypoints)

    def people_in(image: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = averaged(look(_seen_whole(image, size)[None]))
        heatmaps, tags = found["heatmaps"][0], found["tags"][0]
        total = tf.reduce_sum(heatmaps) + tf.reduce_sum(tags)
        finite = require(
            tf.math.is_finite(total),
            "What the network answers is not finite: {}.",
            total,
        )
        with tf.control_dependencies([finite]):
            maps = GraphMaps(tf.identity(heatmaps), tags, finer)
        return group(maps, manifest.grouping)

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        files = checked_files(image_bytes, limits, manifest.input.orientation)
        sizes = _sizes_of_looks(files.sizes, manifest)
        matrices = _matrices(files.sizes, sizes)

        def answer(index: tf.Tensor) -> tf.Tensor:
            with tf.control_dependencies([require_seen(index, sizes[index], limits)]):
                content = tf.identity(files.contents[index])
            image = decode_rgb(content, files.turns[index])
            people, scores = people_in(image, sizes[index])
            # The grid's places are as far apart as so many pixels of what is seen.
            linear = matrices[index, :, :2] * (2 / finer)
            places = people[..., :2] @ tf.transpose(linear) + matrices[index, :, 2]
            found = people[..., 2:]
            rows = tf.concat([tf.where(found > 0, places, 0.0), found], axis=-1)
            rows = tf.reshape(rows, (-1, 3 * count))
            return tf.concat([rows, scores[:, None]], axis=-1)

        numbers = tf.range(tf.shape(sizes)[0])
        row = tf.TensorSpec((None, 3 * count + 1), tf.float32)
        found, counts = map_padded(answer, numbers, row, at_once=1)
        shape = tf.concat([tf.shape(found)[:2], [count, 3]], axis=0)
        return {
            "keypoints": tf.reshape(found[..., :-1], shape),
            "scores": found[..., -1],
            "counts": counts,
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


def divided_maps(manifest: BottomUpManifest) -> dict[str, dict[str, slice]]:
    """Heatmaps and tags of one convolution as two: tags have a far wider range."""
    count = len(manifest.keypoints)
    parts = {"quarter_heatmaps": slice(count), "tags": slice(count, None)}
    return {"heatmaps_and_tags": parts}


def merged_maps(answer: Any, manifest: BottomUpManifest) -> Answers:
    """What a file that decodes gives: both resolutions averaged, and the tags.

    People are not put together there: such files consist of operations that every
    accelerator knows, without loops, so this is as far as they go.
    """
    return averaged(separated(answer, len(manifest.keypoints)))


def averaged(found: Answers) -> Answers:
    """Heatmaps of both resolutions in one, at half of the input's size, and the tags.

    Args:
        found: `quarter_heatmaps`, `heatmaps` and `tags`, see `predictor.separated`.
    """
    half = found["heatmaps"]
    size = half.shape[1:3] if None not in half.shape[1:3] else tf.shape(half)[1:3]
    quarter = resize_bilinear(found["quarter_heatmaps"], size, align_corners=False)
    return {"heatmaps": (quarter + half) * 0.5, "tags": found["tags"]}


def as_outputs(answers: Answers, manifest: BottomUpManifest) -> Answers:
    """Merged maps are what the predictor works on, too; see `maps.merge`."""
    return answers


def _allowed(
    manifest: BottomUpManifest, request: Request, tolerance: float
) -> dict[str, float]:
    # Rounding decides between two equal neighbours, by half a place of the grid, which
    # is no more than a step of the heatmaps.
    header = read_header(
        request["image_bytes"].tobytes(), Reading(pixel_limit=sys.maxsize)
    )
    step = max(header.height, header.width) / min(manifest.input.size)
    return {"counts": 0, "scores": tolerance, "keypoints": max(step, tolerance)}


DECODER = Decoder(
    merged_maps,
    as_outputs,
    {
        "quarter_heatmaps": Answer("A heatmap a keypoint, at a quarter of the size."),
        "heatmaps": Answer("A heatmap a keypoint, at half of the size."),
        "tags": Answer("Who each place belongs to, for each keypoint."),
        "keypoints": Answer(
            "x, y and score of each person's keypoints in pixels of the image.",
            rounded=True,
        ),
        "scores": Answer("How sure each person is."),
        "counts": Answer("How many people there are."),
    },
    split_maps,
    divided=divided_maps,
)
SIGNATURE = Signature(
    "people",
    (IMAGES,),
    serve_people,
    SEEN_WHOLE,
    allowed=_allowed,
    by_last_digits=True,
)
