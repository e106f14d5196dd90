"""Images with masks to batches: decode, cut out, resize; uint8 crops travel.

All in OpenCV and in one step for a batch, which releases Python's lock where it works;
colours change later, on whole batches.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrnet_tf.classes import IGNORED
from hrnet_tf.config.segmentation import MaskSection
from hrnet_tf.data.image_augment import batch_key, recolor_batch
from hrnet_tf.data.image_pipeline import decode
from hrnet_tf.data.mask_augment import (
    NUMBERS,
    cut_image,
    cut_labels,
    mirrored_labels,
    random_cut,
)
from hrnet_tf.data.mask_cache import ArrayCache
from hrnet_tf.data.masks import MaskedImages, read_labels
from hrnet_tf.data.pipeline import AHEAD, in_parallel
from hrnet_tf.data.problems import BrokenImages
from hrnet_tf.errors import InputError

Sample = tuple[np.ndarray, np.ndarray]


@dataclass
class MaskReader:
    """Reads images and labels; broken samples stop it or are counted.

    Attributes:
        images: what to read.
        section: says what to do about broken samples, and where decoded ones are kept.
        broken: what was skipped, or what stopped it.

    Example:
        ```python
        section = MaskSection(root="flowers")
        training, validation = open_masks(section)
        image, labels = MaskReader(validation, section).read(0)
        ```
    """

    images: MaskedImages
    section: MaskSection
    broken: BrokenImages = field(init=False)
    _cache: ArrayCache | None = field(init=False, repr=False)

    def __post_init__(self):
        self.broken = BrokenImages(self.section.on_error)
        folder = self.section.cache
        self._cache = None if folder is None else ArrayCache(folder)

    def read(self, index: int) -> Sample | None:
        """Read a whole sample as it is stored.

        Args:
            index: which of `images`.

        Returns:
            uint8 RGB `(height, width, 3)` and uint8 labels `(height, width)`, 255 where
            nothing counts; None if the sample is broken and the policy is to skip.

        Raises:
            InputError: if the sample is broken and the policy is to stop.
        """
        sample = self._sample(index)
        if sample is None:
            return None
        image, labels = sample
        return np.array(image), np.array(labels)  # no longer views of files

    def read_crops(
        self,
        indices: np.ndarray,
        size: tuple[int, int],
        section: MaskSection,
        chances: np.ndarray,
    ) -> Sample:
        """Read a batch of random crops.

        Args:
            indices: int `(n,)`, which of `images`.
            size: height and width of a crop.
            section: how large images are made, and what changes at random.
            chances: `(n, 4)`, uniform in [0, 1): which crop of each.

        Returns:
            uint8 RGB `(n, height, width, 3)` and uint8 labels `(n, height, width)`; a
            broken sample is black and 255.

        Raises:
            InputError: if a sample is broken and the policy is to stop.
        """
        images = np.zeros((len(indices), *size, 3), np.uint8)
        labels = np.full((len(indices), *size), IGNORED, np.uint8)
        mirror = mirrored_labels(self.images.class_set.mirror)
        for row, index in enumerate(indices):
            sample = self._sample(index)
            if sample is not None:
                image, mask = sample
                cut = random_cut(image.shape[:2], size, section, chances[row])
                cut_image(image, cut, images[row])
                cut_labels(mask, cut, mirror, labels[row])
        return images, labels

    def _sample(self, index: int) -> Sample | None:
        image, mask = self.images.images[index], self.images.masks[index]
        try:
            return self._load(image, mask)
        except (InputError, OSError) as error:
            self.broken.add(f"{image}: {error}")
            return None

    def _load(self, image: str, mask: str) -> Sample:
        if self._cache is None:
            return self._decode(image, mask)
        meaning = self.images.class_set.lookup.tobytes()
        paths = self._cache.path(image), self._cache.path(mask, meaning)
        kept = [self._cache.get(path) for path in paths]
        if kept[0] is not None and kept[1] is not None:
            return kept[0], kept[1]
        decoded = self._decode(image, mask)
        for path, array in zip(paths, decoded, strict=True):
            self._cache.put(path, array)
        return decoded

    def _decode(self, image: str, mask: str) -> Sample:
        pixels = decode(Path(image).read_bytes())
        labels = read_labels(mask, self.images.class_set)
        if pixels.shape[:2] != labels.shape:
            height, width = labels.shape
            raise InputError(
                f"the image has {pixels.shape[1]}x{pixels.shape[0]} pixels (width x "
                f"height), its mask {mask} has {width}x{height}; they must be the same"
            )
        return pixels, labels


def training_masks(
    reader: MaskReader,
    size: tuple[int, int],
    section: MaskSection,
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
        A data set of uint8 RGB `(batch, height, width, 3)` and uint8 labels `(batch,
        height, width)`, 255 where nothing counts: outside the image, and everywhere in
        broken samples.

    Example:
        ```python
        section = MaskSection(root="flowers")
        reader = MaskReader(open_masks(section)[0], section)
        batches = training_masks(reader, (512, 1024), section, range(1), 10, 12)
        ```
    """
    count, total = steps * batch_size, len(reader.images)

    def draw(epoch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, int(epoch)])
        rounds = -(-count // total)
        order = np.concatenate([rng.permutation(total) for _ in range(rounds)])
        return order[:count], rng.random((count, NUMBERS))

    def samples(epoch):
        order, chances = tf.numpy_function(draw, [epoch], [tf.int64, tf.float64])
        order.set_shape((None,))
        chances.set_shape((None, NUMBERS))
        drawn = tf.data.Dataset.from_tensor_slices((order, chances)).enumerate()
        return drawn.map(lambda position, sample: (epoch, position, *sample))

    def read(indices: np.ndarray, chances: np.ndarray) -> Sample:
        return reader.read_crops(indices, size, section, chances)

    def load(epoch, position, indices, chances):
        images, labels = tf.numpy_function(
            read, [indices, chances], [tf.uint8, tf.uint8], stateful=False
        )
        images.set_shape((batch_size, *size, 3))
        labels.set_shape((batch_size, *size))
        return recolor(batch_key(seed, epoch[0], position[0]), images), labels

    recolor = recolor_batch(section.augmentation)
    drawn = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(samples)
    return in_parallel(drawn, batch_size, load).prefetch(AHEAD)
