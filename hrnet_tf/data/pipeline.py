"""Samples to batches: TensorFlow decodes, OpenCV warps, uint8 crops travel.

Heatmaps, colour changes and normalisation happen later, on whole batches inside the
compiled step. The first time that an image is needed Python reads it, with every check;
from then on TensorFlow does, which need not wait for Python's lock.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from hrnet_tf.config.pose import AugmentationSection
from hrnet_tf.data.augment import random_crops
from hrnet_tf.data.people import People
from hrnet_tf.data.problems import BrokenImages, Policy
from hrnet_tf.errors import InputError
from hrnet_tf.labels import KeypointSet
from hrnet_tf.preprocess import (
    holds_jpeg,
    read_window,
    source_windows,
    transform,
    warp,
)

AHEAD = 2  # batches that are made before they are needed

# One epoch, given its number: whom to crop, int64 (n,); matrices from image to crop
# pixels, float64 (n, 2, 3); keypoints in crop pixels with weights, float32 (n,
# keypoints, 3).
Epoch = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass
class CropReader:
    """Reads one crop after another; broken images stop it or are counted.

    Attributes:
        people: whom to crop.
        size: height and width of a crop.
        on_error: `"stop"`, or `"skip"`: give a black crop in place of a broken one.
        broken: what was skipped, or what stopped it.
    """

    people: People
    size: tuple[int, int]
    on_error: Policy = "stop"
    broken: BrokenImages = field(init=False)
    _good: set[str] = field(default_factory=set, repr=False)  # JPEG files

    def __post_init__(self):
        self.broken = BrokenImages(self.on_error)

    def read(self, index: int, matrix: np.ndarray) -> tuple[np.ndarray, np.bool_]:
        """Cut a person out.

        Args:
            index: which of `people`.
            matrix: `(2, 3)`, image pixels to crop pixels.

        Returns:
            The crop, uint8 RGB `(height, width, 3)`, and whether it is good, bool.

        Raises:
            InputError: if the image is broken and the policy is to stop.
        """
        _, _, (window,), (matrix,), _ = self.plan(np.array([index]), matrix[None])
        return self.cut(index, window, matrix)

    def plan(self, indices: np.ndarray, matrices: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `in_graph` takes for some crops, in columns.

        Args:
            indices: int64 `(n,)`, which of `people`.
            matrices: `(n, 2, 3)`, image pixels to crop pixels.

        Returns:
            The indices; files; windows to decode, see `source_windows`; matrices from
            pixels of these windows to crop pixels; and which files are known as good.
        """
        files = self.people.files[indices]
        windows = source_windows(matrices, self.people.image_sizes[indices], self.size)
        corners = windows[:, None, 1::-1]  # x, y
        corners_in_crops = transform(corners, matrices).transpose(0, 2, 1)
        shifted = np.concatenate([matrices[:, :, :2], corners_in_crops], axis=-1)
        known = np.array([file in self._good for file in files])
        return indices, files, windows, shifted, known

    def cut(
        self, index: int, window: np.ndarray, matrix: np.ndarray
    ) -> tuple[np.ndarray, np.bool_]:
        """`read` what is planned."""
        file, size = self.people.files[index], self.people.image_sizes[index]
        try:
            # The whole image: once that is good, so is every window.
            image = read_window(file, (0, 0, *size), size)
            is_jpeg = holds_jpeg(file)
        except (InputError, OSError) as error:
            self.broken.add(f"{self.people.sources[index]}: {error}")
            return np.zeros((*self.size, 3), np.uint8), np.False_
        if is_jpeg:
            self._good.add(file)
        top, left, height, width = window
        part = image[top : top + height, left : left + width]
        return warp(part, matrix, self.size), np.True_

    def in_graph(
        self,
        indices: tf.Tensor,
        files: tf.Tensor,
        windows: tf.Tensor,
        matrices: tf.Tensor,
        known: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`cut` for a whole batch, as a step of a pipeline; takes rows of `plan`."""

        def in_python():
            given = [indices, windows, matrices]
            types = [tf.uint8, tf.bool]
            return tf.numpy_function(self._cut_all, given, types, stateful=False)

        def in_tensorflow():
            # Unrolled, and warped in one call: a call into Python for each crop would
            # have to wait for its lock each time.
            rows = zip(tf.unstack(files), tf.unstack(windows), strict=True)
            parts = [
                tf.io.decode_and_crop_jpeg(tf.io.read_file(file), window, channels=3)
                for file, window in rows
            ]
            crops = tf.numpy_function(
                self._warp_all, [matrices, *parts], tf.uint8, stateful=False
            )
            return [crops, tf.fill([count], True)]

        count = indices.shape[0]
        crops, good = tf.cond(tf.reduce_all(known), in_tensorflow, in_python)
        crops.set_shape((count, *self.size, 3))
        good.set_shape((count,))
        return crops, good

    def _cut_all(
        self, indices: np.ndarray, windows: np.ndarray, matrices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = zip(indices, windows, matrices, strict=True)
        crops, good = zip(*(self.cut(*row) for row in rows), strict=True)
        return np.stack(crops), np.array(good)

    def _warp_all(self, matrices: np.ndarray, *parts: np.ndarray) -> np.ndarray:
        crops = np.empty((len(parts), *self.size, 3), np.uint8)
        for crop, part, matrix in zip(crops, parts, matrices, strict=True):
            warp(part, matrix, self.size, crop)
        return crops


def random_epochs(
    people: People,
    keypoint_set: KeypointSet,
    settings: AugmentationSection,
    geometry: tuple[tuple[int, int], float],
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
        rounds = -(-count // len(people))
        order = np.concatenate([rng.permutation(len(people)) for _ in range(rounds)])[
            :count
        ]
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
        types = [tf.int64, tf.string, tf.int32, tf.float64, tf.bool, tf.float32]
        columns = tf.numpy_function(draw, [number], types)
        shapes = [(), (), (4,), (2, 3), (), (count, 3)]
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


def in_parallel(
    samples: tf.data.Dataset, batch_size: int, load: Callable
) -> tf.data.Dataset:
    """Full batches of samples, loaded on every core, in order."""
    options = tf.data.Options()
    # At times tf.data's own tuning leaves all but one core idle.
    options.autotune.enabled = False
    batches = samples.batch(batch_size, drop_remainder=True)
    cores = os.cpu_count() or 1
    batches = batches.map(load, num_parallel_calls=cores, deterministic=True)
    return batches.with_options(options)
