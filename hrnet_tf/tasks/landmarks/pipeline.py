"""Faces to batches: uint8 crops travel, with landmarks in cells.

Heatmaps, colour changes and normalisation happen later, on whole batches inside the
compiled step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.data.choice import in_rounds
from hrnet_tf.data.parallel import AHEAD, in_parallel
from hrnet_tf.data.problems import BrokenImages, Policy
from hrnet_tf.images.files import check_size, decode
from hrnet_tf.images.header import read_header
from hrnet_tf.images.preprocess import warp
from hrnet_tf.tasks.landmarks.augment import (
    Draws,
    draw,
    plain,
    target_cells,
    views_of,
)
from hrnet_tf.tasks.landmarks.config import FaceAugmentation
from hrnet_tf.tasks.landmarks.crop import crop_face
from hrnet_tf.tasks.landmarks.faces import Faces
from hrnet_tf.tasks.landmarks.geometry import FaceGeometry, Views, affine_matrices

# One epoch, given its number: which faces, int64 (n,), and what is random about them.
Epoch = Callable[[int], tuple[np.ndarray, Draws]]


@dataclass(frozen=True)
class Cutter:
    """Cuts faces out of images.

    Attributes:
        geometry: size of a crop, and how pixels are counted.
        stretched_twice: see `crop_face`.
    """

    geometry: FaceGeometry
    stretched_twice: bool = True

    def cut(self, image: np.ndarray, view: Views) -> np.ndarray:
        """One crop, uint8 `(size, size, 3)`.

        Args:
            image: uint8 RGB `(height, width, 3)`, as it is stored.
            view: one row.
        """
        size = self.geometry.size
        if self.geometry.rule == "affine":
            return warp(image, affine_matrices(view, size)[0], (size, size))
        if view.flips[0]:
            image = np.ascontiguousarray(image[:, ::-1])
        return crop_face(
            image,
            view.centers[0],
            float(view.scales[0]),
            float(view.rotations[0]),
            size,
            self.stretched_twice,
        )


@dataclass
class FaceReader:
    """Reads one crop after another; broken images stop it or are counted.

    Attributes:
        faces: whom to cut out.
        cutter: how.
        padding: how much larger than the box a crop is.
        on_error: `"stop"`, or `"skip"`: give a black crop in place of a broken one.
        reading: how image files are taken.
        broken: what was skipped, or what stopped it.
    """

    faces: Faces
    cutter: Cutter
    padding: float
    on_error: Policy = "stop"
    reading: Reading = UPRIGHT
    broken: BrokenImages = field(init=False)

    def __post_init__(self):
        self.broken = BrokenImages(self.on_error)

    def load(self, index: int) -> np.ndarray:
        """The whole image of a face, uint8 RGB `(height, width, 3)`.

        Raises:
            InputError: if the image is broken or of another size than annotated.
            OSError: if there is no such file.
        """
        faces = self.faces
        if not faces.files[index]:
            if faces.archive is None:
                raise InputError("it has no image")
            return faces.archive.load(int(faces.numbers[index]))
        with open(faces.files[index], "rb") as stream:
            encoded = stream.read()
        header = read_header(encoded, self.reading)
        if faces.image_sizes[index].any():
            size = faces.image_sizes[index]
            check_size(header, self.reading, size, "its annotation says")
        return decode(encoded, self.reading, header)

    def look(
        self, indices: np.ndarray, draws: Draws
    ) -> tuple[np.ndarray, Views, np.ndarray]:
        """Cut some faces out.

        Args:
            indices: which of `faces`.
            draws: what is random about them.

        Returns:
            Crops, uint8 `(n, size, size, 3)`, how they were looked at, and whether each
            is good, bool `(n,)`.

        Raises:
            InputError: if an image is broken and the policy is to stop.
        """
        images = [self._try(int(index)) for index in indices]
        good = np.array([image is not None for image in images], bool)
        widths = np.array([0 if im is None else im.shape[1] for im in images], np.int64)
        scales = self.faces.scales[indices] * self.padding
        views = views_of(self.faces.centers[indices], scales, draws, widths)
        size = self.cutter.geometry.size
        crops = np.zeros((len(images), size, size, 3), np.uint8)
        for row, image in enumerate(images):
            if image is not None:
                crops[row] = self.cutter.cut(image, views.take(np.array([row])))
        return crops, views, good

    def _try(self, index: int) -> np.ndarray | None:
        try:
            return self.load(index)
        except (InputError, OSError) as error:
            self.broken.add(f"{self.faces.sources[index]}: {error}")
            return None


def random_epochs(
    faces: Faces, settings: FaceAugmentation, count: int, seed: int
) -> Epoch:
    """What each training epoch consists of; the same for the same seed and number.

    Args:
        faces: whom to cut out.
        settings: how far and how often to change what.
        count: crops an epoch; everyone comes up equally often, give or take one.
        seed: of everything random.
    """

    def epoch(number: int) -> tuple[np.ndarray, Draws]:
        rng = np.random.default_rng([seed, int(number)])
        order = in_rounds(len(faces), count, rng)
        return order, draw(count, settings, rng)

    return epoch


def training_batches(
    reader: FaceReader,
    mirror: np.ndarray,
    epoch: Epoch,
    numbers: range,
    batch_size: int,
) -> tf.data.Dataset:
    """Batches of random crops, one epoch after another.

    Args:
        reader: cuts them out.
        mirror: where each landmark goes in a mirror.
        epoch: what each epoch consists of.
        numbers: of the epochs; an interrupted training goes on at a later one.
        batch_size: crops a batch.

    Returns:
        A data set of uint8 crops `(batch, size, size, 3)` and float32 landmarks
        `(batch, landmarks, 3)`: x, y in heatmap cells and weight.
    """
    geometry, size = reader.cutter.geometry, reader.cutter.geometry.size
    count = reader.faces.points.shape[1]

    def samples(number):
        def plan(number):
            order, draws = epoch(number)
            return order.astype(np.int64), *draws

        types = [tf.int64, tf.float64, tf.float64, tf.bool]
        columns = tf.numpy_function(plan, [number], types)
        for column in columns:
            column.set_shape((None,))
        return tf.data.Dataset.from_tensor_slices(tuple(columns))

    def cut(indices, factors, rotations, flips):
        draws = Draws(factors, rotations, flips)
        crops, views, good = reader.look(indices, draws)
        targets = target_cells(reader.faces.points[indices], views, mirror, geometry)
        targets[~good, :, 2] = 0  # a broken crop weighs nothing
        return crops, targets

    def load(*columns):
        types = [tf.uint8, tf.float32]
        crops, targets = tf.numpy_function(cut, columns, types, stateful=False)
        rows = columns[0].shape[0]
        crops.set_shape((rows, size, size, 3))
        targets.set_shape((rows, count, 3))
        return crops, targets

    epochs = tf.data.Dataset.range(numbers.start, numbers.stop).flat_map(samples)
    return in_parallel(epochs, batch_size, load).prefetch(AHEAD)


def upright_batches(reader: FaceReader, batch_size: int) -> tf.data.Dataset:
    """Batches of all faces as they are, in order; the last one may hold fewer.

    Args:
        reader: cuts them out.
        batch_size: crops a batch.

    Returns:
        A data set of uint8 crops `(batch, size, size, 3)`, and bool `(batch,)`: whether
        each is good.
    """
    size, count = reader.cutter.geometry.size, len(reader.faces)

    def cut(indices):
        crops, _, good = reader.look(indices, plain(len(indices)))
        return crops, good

    def load(indices):
        crops, good = tf.numpy_function(
            cut, [indices], [tf.uint8, tf.bool], stateful=False
        )
        crops.set_shape((None, size, size, 3))
        good.set_shape((None,))
        return crops, good

    rest = count % batch_size
    rows = tf.data.Dataset.range(count - rest)
    batches = in_parallel(rows, batch_size, load)
    if rest:
        last = tf.data.Dataset.range(count - rest, count)
        batches = batches.concatenate(in_parallel(last, rest, load))
    return batches.prefetch(AHEAD)
