"""Samples to batches: TensorFlow decodes, OpenCV warps, uint8 crops travel.

Heatmaps, colour changes and normalisation happen later, on whole batches inside the
compiled step. The first time that an image is needed Python reads it, with every check;
from then on TensorFlow does, which need not wait for Python's lock.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hrnet_tf.data.choice import in_rounds
from hrnet_tf.data.parallel import AHEAD, in_parallel
from hrnet_tf.tasks.keypoints.crops import CropReader
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.augment import CropGeometry, random_crops
from hrnet_tf.tasks.pose.config import AugmentationSection

# One epoch, given its number: whom to crop, int64 (n,); matrices from image to crop
# pixels, float64 (n, 2, 3); keypoints in crop pixels with weights, float32 (n,
# keypoints, 3).
Epoch = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


def random_epochs(
    people: People,
    keypoint_set: KeypointSet,
    settings: AugmentationSection,
    geometry: CropGeometry,
    count: int,
    seed: int,
) -> Epoch:
    """What each training epoch consists of; the same for the same seed and number.

    Args:
        people: whom to crop.
        keypoint_set: what a mirror exchanges, and what the upper body is.
        settings: how far and how often to change what.
        geometry: of a crop; see `random_crops`.
        count: crops an epoch; everyone comes up equally often, give or take one.
        seed: of everything random.
    """

    def epoch(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, int(number)])
        order = in_rounds(len(people), count, rng)
        chosen = people.take(order)
        matrices, keypoints = random_crops(
            chosen, keypoint_set, settings, geometry, rng
        )
        return order, matrices, keypoints.astype(np.float32)

    return epoch


def training_batches(
    reader: CropReader, epoch: Epoch, numbers: range, batch_size: int
) -> tf.data.Dataset:
    """Batches of random crops, one epoch after another.

    Args:
        reader: cuts them out.
        epoch: what each epoch consists of.
        numbers: of the epochs; an interrupted training goes on at a later one.
        batch_size: crops a batch.

    Returns:
        A data set of uint8 crops `(batch, height, width, 3)` and float32 keypoints
        `(batch, keypoints, 3)`: x, y in crop pixels and weight.
    """
    count = reader.people.keypoints.shape[1]

    def draw(number):
        order, matrices, keypoints = epoch(number)
        return *reader.plan(order, matrices), keypoints

    def samples(number):
        types = [tf.int64, tf.string, tf.int32, tf.int32, tf.float64, tf.int32]
        columns = tf.numpy_function(draw, [number], [*types, tf.float32])
        shapes = [(), (), (4,), (4,), (2, 3), (), (count, 3)]
        for column, shape in zip(columns, shapes, strict=True):
            column.set_shape((None, *shape))
        return tf.data.Dataset.from_tensor_slices(tuple(columns))

    def load(*columns):
        *planned, keypoints = columns
        crops, good = reader.in_graph(*planned)
        # A broken crop weighs nothing.
        return crops, keypoints * tf.cast(good, tf.float32)[:, None, None]

    epochs = tf.data.Dataset.range(numbers.start, numbers.stop).flat_map(samples)
    return in_parallel(epochs, batch_size, load).prefetch(AHEAD)


def crop_batches(
    reader: CropReader, matrices: np.ndarray, batch_size: int
) -> tf.data.Dataset:
    """Batches of given crops, in order.

    Args:
        reader: cuts them out.
        matrices: `(n, 2, 3)`, image pixels to crop pixels, one for each person.
        batch_size: crops a batch; the last one may hold fewer.

    Returns:
        A data set of uint8 crops `(batch, height, width, 3)`, and bool `(batch,)`:
        whether each is good.
    """
    count = len(matrices)
    columns = reader.plan(np.arange(count), matrices)

    def load(rows: slice, size: int) -> tf.data.Dataset:
        chosen = tuple(column[rows] for column in columns)
        samples = tf.data.Dataset.from_tensor_slices(chosen)
        return in_parallel(samples, size, reader.in_graph)

    rest = count % batch_size
    batches = load(slice(count - rest), batch_size)
    if rest:
        batches = batches.concatenate(load(slice(count - rest, count), rest))
    return batches.prefetch(AHEAD)
