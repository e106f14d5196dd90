"""Samples to batches: TensorFlow decodes, OpenCV warps, uint8 crops travel.

Heatmaps, colour changes and normalisation happen later, on whole batches inside the
compiled step. The first time that an image is needed Python reads it, with every check;
from then on TensorFlow does, which need not wait for Python's lock.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from hrnet_tf.config import AugmentationSection
from hrnet_tf.data.augment import random_crops
from hrnet_tf.data.people import People, Policy
from hrnet_tf.errors import InputError
from hrnet_tf.labels import KeypointSet
from hrnet_tf.preprocess import (
    holds_jpeg,
    read_window,
    source_windows,
    transform,
    warp,
)

logger = logging.getLogger(__name__)

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
        broken: what was skipped so far, each once.
        failure: what stopped it.
    """

    people: People
    size: tuple[int, int]
    on_error: Policy = "stop"
    broken: set[str] = field(default_factory=set)
    failure: InputError | None = None
    _good: set[str] = field(default_factory=set, repr=False)  # JPEG files
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

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
            return self._give_up(f"{self.people.sources[index]}: {error}")
        if is_jpeg:
            self._good.add(file)
        top, left, height, width = window
        part = image[top : top + height, left : left + width]
        return warp(part, matrix, self.size), np.True_

    def _give_up(self, problem: str) -> tuple[np.ndarray, np.bool_]:
        if self.on_error == "stop":
            self.failure = InputError(
                f"{problem} (data.on_error=skip goes on without it)."
            )
            raise self.failure
        with self._lock:
            if problem not in self.broken:
                self.broken.add(problem)
                logger.warning("skipped %s; %d so far", problem, len(self.broken))
        return np.zeros((*self.size, 3), np.uint8), np.False_

    @contextlib.contextmanager
    def errors_explained(self) -> Iterator[None]:
        """In here a broken image is an InputError, not what TensorFlow makes of it."""
        try:
            yield
        except tf.errors.OpError:
            if self.failure is None:
                raise
            raise self.failure from None

    def in_graph(
        self,
        index: tf.Tensor,
        file: tf.Tensor,
        window: tf.Tensor,
        matrix: tf.Tensor,
        known: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`cut` as a step of a `tf.data` pipeline; takes a row of `plan`."""

        def in_python():
            types = [tf.uint8, tf.bool]
            given = [index, window, matrix]
            return tf.numpy_function(self.cut, given, types, stateful=False)

        def in_tensorflow():
            encoded = tf.io.read_file(file)
            part = tf.io.decode_and_crop_jpeg(encoded, window, channels=3)
            crop = tf.numpy_function(
                lambda part, matrix: warp(part, matrix, self.size),
                [part, matrix],
                tf.uint8,
                stateful=False,
            )
            return [crop, tf.constant(True)]

        crop, good = tf.cond(known, in_tensorflow, in_python)
        crop.set_shape((*self.size, 3))
        good.set_shape(())
        return crop, good


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
        crop, good = reader.in_graph(*planned)
        # A broken crop weighs nothing.
        return crop, keypoints * tf.cast(good, tf.float32)

    batches = tf.data.Dataset.range(numbers.start, numbers.stop).flat_map(samples)
    batches = batches.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


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
    columns = reader.plan(np.arange(len(matrices)), matrices)
    batches = tf.data.Dataset.from_tensor_slices(columns).map(
        reader.in_graph, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return batches.batch(batch_size).prefetch(tf.data.AUTOTUNE)
