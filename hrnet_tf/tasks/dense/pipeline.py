"""Images with targets to batches: decode, cut out, resize; uint8 crops travel.

All in OpenCV and in one step for a batch, which releases Python's lock where it works;
colours change later, on whole batches.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.array_cache import ArrayCache
from hrnet_tf.data.choice import in_rounds
from hrnet_tf.data.colors import batch_key, recolor_batch
from hrnet_tf.data.parallel import AHEAD, in_parallel
from hrnet_tf.data.problems import BrokenImages
from hrnet_tf.images.files import check_size, decode
from hrnet_tf.images.header import read_header
from hrnet_tf.tasks.dense.augment import NUMBERS, Cut, cut_image, random_cut
from hrnet_tf.tasks.dense.config import DenseSection
from hrnet_tf.tasks.dense.pairs import PairedImages

Sample = tuple[np.ndarray, np.ndarray]


@dataclass
class PairReader(ABC):
    """Reads images and targets; broken samples stop it or are counted.

    Attributes:
        images: what to read.
        section: says what to do about broken samples, and where decoded ones are kept.
        broken: what was skipped, or what stopped it.
        what: a target is, in a word.
    """

    what: ClassVar[str] = "target"

    images: PairedImages
    section: DenseSection
    broken: BrokenImages = field(init=False)
    _cache: ArrayCache | None = field(init=False, repr=False)

    def __post_init__(self):
        self.broken = BrokenImages(self.section.on_error)
        folder = self.section.cache
        self._cache = None if folder is None else ArrayCache(folder)

    @property
    @abstractmethod
    def meaning(self) -> bytes:
        """What a decoded target depends on beside its file."""

    @abstractmethod
    def blank(self, size: tuple[int, int]) -> np.ndarray:
        """A target of this height and width of which nothing counts."""

    @abstractmethod
    def read_target(self, path: str) -> np.ndarray:
        """Read a target; InputError: it is broken."""

    @abstractmethod
    def cut_target(self, target: np.ndarray, cut: Cut, out: np.ndarray) -> None:
        """Cut a crop out of a target, into what is blank so far."""

    def read(self, index: int) -> Sample | None:
        """Read a whole sample as it is stored.

        Args:
            index: which of `images`.

        Returns:
            uint8 RGB `(height, width, 3)` and a target of the same height and width;
            None if the sample is broken and the policy is to skip.

        Raises:
            InputError: if the sample is broken and the policy is to stop.
        """
        sample = self._sample(index)
        if sample is None:
            return None
        image, target = sample
        return np.array(image), np.array(target)  # no longer views of files

    def read_crops(
        self,
        indices: np.ndarray,
        size: tuple[int, int],
        section: DenseSection,
        chances: np.ndarray,
    ) -> Sample:
        """Read a batch of random crops.

        Args:
            indices: int `(n,)`, which of `images`.
            size: height and width of a crop.
            section: how large images are made, and what changes at random.
            chances: `(n, 4)`, uniform in [0, 1): which crop of each.

        Returns:
            uint8 RGB `(n, height, width, 3)` and targets of that size; a broken sample
            is black and blank.

        Raises:
            InputError: if a sample is broken and the policy is to stop.
        """
        images = np.zeros((len(indices), *size, 3), np.uint8)
        targets = np.stack([self.blank(size)] * len(indices))
        for row, index in enumerate(indices):
            sample = self._sample(index)
            if sample is not None:
                image, target = sample
                cut = random_cut(image.shape[:2], size, section, chances[row])
                cut_image(image, cut, images[row])
                self.cut_target(target, cut, targets[row])
        return images, targets

    def _sample(self, index: int) -> Sample | None:
        image, target = self.images.images[index], self.images.targets[index]
        try:
            return self._load(image, target)
        except (InputError, OSError) as error:
            self.broken.add(f"{image}: {error}")
            return None

    def _load(self, image: str, target: str) -> Sample:
        if self._cache is None:
            return self._decode(image, target)
        taken = self.section.orientation.encode()
        paths = (
            self._cache.path(image, taken),
            self._cache.path(target, taken + self.meaning),
        )
        kept = [self._cache.get(path) for path in paths]
        if kept[0] is not None and kept[1] is not None:
            return kept[0], kept[1]
        decoded = self._decode(image, target)
        for path, array in zip(paths, decoded, strict=True):
            self._cache.put(path, array)
        return decoded

    def _decode(self, image: str, path: str) -> Sample:
        encoded, reading = Path(image).read_bytes(), self.section.reading
        header, target = read_header(encoded, reading), self.read_target(path)
        check_size(header, reading, target.shape[:2], f"its {self.what} {path} has")
        return decode(encoded, reading, header), target


def training_pairs(
    reader: PairReader,
    size: tuple[int, int],
    section: DenseSection,
    epochs: range,
    steps: int,
    batch_size: int,
    seed: int = 0,
) -> tf.data.Dataset:
    """Batches of random crops, one epoch after another.

    Args:
        reader: reads the samples.
        size: height and width of a crop.
        section: the configuration's `data`.
        epochs: their numbers; an interrupted training goes on at a later one, with the
            batches that it would have had.
        steps: batches an epoch; every sample comes up equally often in one, give or
            take one.
        batch_size: crops a batch.
        seed: of everything random; not negative.

    Returns:
        A data set of uint8 RGB `(batch, height, width, 3)` and targets `(batch, height,
        width, ...)`, blank outside the image and everywhere in broken samples.

    Example:
        ```python
        section = MaskSection(root="flowers")
        reader = MaskReader(open_masks(section)[0], section)
        batches = training_pairs(reader, (512, 1024), section, range(1), 10, 12)
        ```
    """
    count, total = steps * batch_size, len(reader.images)
    blank = reader.blank(size)

    def draw(epoch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, int(epoch)])
        return in_rounds(total, count, rng), rng.random((count, NUMBERS))

    def samples(epoch):
        order, chances = tf.numpy_function(draw, [epoch], [tf.int64, tf.float64])
        order.set_shape((None,))
        chances.set_shape((None, NUMBERS))
        drawn = tf.data.Dataset.from_tensor_slices((order, chances)).enumerate()
        return drawn.map(lambda position, sample: (epoch, position, *sample))

    def read(indices: np.ndarray, chances: np.ndarray) -> Sample:
        return reader.read_crops(indices, size, section, chances)

    def load(epoch, position, indices, chances):
        types = [tf.uint8, tf.as_dtype(blank.dtype)]
        images, targets = tf.numpy_function(
            read, [indices, chances], types, stateful=False
        )
        rows = indices.shape[0]
        images.set_shape((rows, *size, 3))
        targets.set_shape((rows, *blank.shape))
        place = position[0] % batch_size  # in the batch: 0, or where a share begins
        key = batch_key(seed, epoch[0], position[0] - place)
        return recolor(key, images, place), targets

    recolor = recolor_batch(section.augmentation)
    drawn = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(samples)
    return in_parallel(drawn, batch_size, load).prefetch(AHEAD)
