"""Labelled images to batches: of each JPEG only what is needed is decoded.

The first time that an image comes up Python decodes all of it, with every check, and
notes its size; from then on TensorFlow does, which need not wait for Python's lock.
"""

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.data.colors import batch_key
from hrnet_tf.data.parallel import AHEAD, in_parallel
from hrnet_tf.data.problems import BrokenImages, Policy
from hrnet_tf.images.files import decode, decode_windows, stored_windows
from hrnet_tf.images.header import read_header
from hrnet_tf.images.preprocess import part_of
from hrnet_tf.tasks.classification.augment import ImageAugmentation, augment_batch
from hrnet_tf.tasks.classification.images import LabelledImages, ShardImages
from hrnet_tf.tasks.classification.views import CentralView, RandomView, View

logger = logging.getLogger(__name__)


@dataclass
class ImageReader:
    """Reads labelled images; broken ones stop it or are counted.

    Attributes:
        images: what to read.
        on_error: `"stop"`, or `"skip"`: give a black picture in place of a broken one.
        reading: how image files are taken.
        broken: what was skipped, or what stopped it.
    """

    images: LabelledImages
    on_error: Policy = "stop"
    reading: Reading = UPRIGHT
    broken: BrokenImages = field(init=False)
    # Height and width of the JPEG images that were decoded, 0: not yet; and how each
    # file is to be turned.
    _sizes: np.ndarray = field(init=False, repr=False)
    _turns: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        self.broken = BrokenImages(self.on_error)
        self._sizes = np.zeros((len(self.images), 2), np.int32)
        self._turns = np.ones(len(self.images), np.int32)

    def read(
        self,
        view: View,
        epoch: int,
        position: int,
        batch: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a batch in Python.

        Args:
            view: what to cut out.
            epoch: its number.
            position: of the batch's first image in the epoch.
            batch: indices, names and encoded images; see `LabelledImages.in_order`.

        Returns:
            Pictures, uint8 RGB `(n, height, width, 3)`, and weights, float32 `(n,)`: 0
            for a broken image.

        Raises:
            InputError: if an image is broken and the policy is to stop.
        """
        decoded = [self.decode(*row) for row in zip(*batch, strict=True)]
        sizes = [(1, 1) if image is None else image.shape[:2] for image in decoded]
        windows, what = view.plan(np.array(sizes), epoch, position)
        pictures = np.zeros((len(decoded), *view.size, 3), np.uint8)
        for row, image in enumerate(decoded):
            if image is not None:
                part = part_of(image, windows[row])
                pictures[row] = view.cut(part, what[row])
        weights = np.array([image is not None for image in decoded], np.float32)
        return pictures, weights

    def decode(self, index: int, name: bytes, encoded: bytes) -> np.ndarray | None:
        """Decode one image, see `LabelledImages.in_order`; None: it is broken.

        Raises:
            InputError: if it is broken and the policy is to stop.
        """
        try:
            if self.images.in_files:
                with open(name, "rb") as stream:
                    encoded = stream.read()
            header = read_header(encoded, self.reading)
            image = decode(encoded, self.reading, header)
        except (InputError, OSError) as error:
            self.broken.add(f"{name.decode()}: {error}")
            return None
        if header.format == "JPEG":
            self._turns[index] = header.turn_for(self.reading)
            self._sizes[index] = image.shape[:2]
        return image

    @contextlib.contextmanager
    def errors_explained(self) -> Iterator[None]:
        """In here a broken image is an InputError, not what TensorFlow makes of it."""
        try:
            with self.broken.explained():
                yield
        except tf.errors.DataLossError as error:
            found = [error.message.splitlines()[0]]
            if isinstance(self.images, ShardImages):
                logger.info("a shard is damaged; looking for it")
                found = self.images.damaged() or found
            raise InputError(
                f"{'; '.join(found)}; the same `hrnet-tf shard` command again writes "
                "what is damaged anew."
            ) from None

    def in_graph(
        self,
        view: View,
        epoch: tf.Tensor,
        position: tf.Tensor,
        batch: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`read`, as a step of a pipeline."""
        indices, names, encoded = batch
        count = indices.shape[0]

        def plan(indices, epoch, position):
            sizes, turns = self._sizes[indices], self._turns[indices]
            windows, what = view.plan(np.maximum(sizes, 1), epoch, position)
            known = bool(sizes.all())
            return stored_windows(windows, sizes, turns), what, turns, known

        def in_python():
            def read(epoch, position, *batch):
                return self.read(view, epoch, position, batch)

            given = [epoch, position, *batch]
            types = [tf.uint8, tf.float32]
            return tf.numpy_function(read, given, types, stateful=False)

        def in_tensorflow():
            if self.images.in_files:
                contents = [tf.io.read_file(name) for name in tf.unstack(names)]
            else:
                contents = tf.unstack(encoded)
            parts = decode_windows(contents, windows, turns)
            return [view.cut_all(parts, what), tf.ones([count])]

        types = [tf.int32, tf.int32, tf.int32, tf.bool]
        # What is known changes from epoch to epoch.
        windows, what, turns, known = tf.numpy_function(
            plan, [indices, epoch, position], types, stateful=True
        )
        windows.set_shape((count, 4))
        pictures, weights = tf.cond(known, in_tensorflow, in_python)
        pictures.set_shape((count, *view.size, 3))
        weights.set_shape((count,))
        return pictures, weights


def training_images(
    reader: ImageReader,
    size: tuple[int, int],
    settings: ImageAugmentation,
    epochs: range,
    steps: int,
    batch_size: int,
    seed: int = 0,
) -> tf.data.Dataset:
    """Batches of random crops, one epoch after another.

    Args:
        reader: reads the images.
        size: height and width of a crop.
        settings: what to change at random.
        epochs: their numbers; an interrupted training goes on at a later one, with the
            batches that it would have had.
        steps: batches an epoch.
        batch_size: images a batch.
        seed: of everything random; not negative.

    Returns:
        A data set of uint8 RGB `(batch, height, width, 3)`; int32 labels `(batch,)`, or
        float32 shares of each class `(batch, classes)` where images are mixed; float32
        weights `(batch,)`, 0 for broken images.

    Example:
        ```python
        training, _ = open_images("flowers")
        batches = training_images(
            ImageReader(training), (224, 224), ImageAugmentation(), range(1), 10, 32
        )
        ```
    """
    view = RandomView(size, settings, seed, batch_size)
    augment = augment_batch(settings, len(reader.images.classes))

    def samples(epoch):
        drawn = reader.images.epoch(epoch, steps * batch_size, seed).enumerate()
        return drawn.map(lambda position, sample: (epoch, position, *sample))

    def load(epoch, position, *sample):
        *batch, labels = sample
        pictures, weights = reader.in_graph(view, epoch[0], position[0], tuple(batch))
        place = position[0] % batch_size  # in the batch: 0, or where a share begins
        key = batch_key(seed, epoch[0], position[0] - place)
        return augment(key, pictures, labels, weights, place)

    drawn = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(samples)
    return in_parallel(drawn, batch_size, load).prefetch(AHEAD)


def validation_images(
    reader: ImageReader,
    size: tuple[int, int],
    batch_size: int,
    resize_share: float = 0.875,
) -> tf.data.Dataset:
    """Batches of central crops, every image once, in order.

    Args:
        reader: reads the images.
        size: height and width of a crop.
        batch_size: images a batch; the last one may hold fewer.
        resize_share: what the crop is of the resized image's shorter side.

    Returns:
        A data set of uint8 RGB `(batch, height, width, 3)`, int32 labels `(batch,)` and
        float32 weights `(batch,)`, 0 for broken images.
    """
    view, count = CentralView(size, resize_share), len(reader.images)

    def load(position, sample):
        *batch, labels = sample
        zero = tf.zeros((), tf.int64)
        pictures, weights = reader.in_graph(view, zero, zero, tuple(batch))
        kept = tf.minimum(count - position[0], batch_size)
        return pictures[:kept], labels[:kept], weights[:kept]

    full = math.ceil(count / batch_size) * batch_size
    # The last batch is filled with the first images, which are cut off again.
    samples = reader.images.in_order().repeat().take(full).enumerate()
    return in_parallel(samples, batch_size, load).prefetch(AHEAD)
