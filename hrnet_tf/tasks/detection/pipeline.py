"""Images with objects to training batches: TensorFlow decodes, OpenCV resizes.

uint8 travels: images are normalised, and masks unpacked, when a batch is put together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.data.colors import batch_key, recolor_batch
from hrnet_tf.data.parallel import AHEAD, in_parallel
from hrnet_tf.data.problems import Policy
from hrnet_tf.images.preprocess import resized
from hrnet_tf.tasks.detection.config import DetectionData
from hrnet_tf.tasks.detection.geometry import (
    batch_size_for,
    fitted_size,
    moved_boxes,
    moved_mask,
)
from hrnet_tf.tasks.detection.objects import Objects
from hrnet_tf.tasks.keypoints.crops import CropReader

LEAST_OBJECTS = 8  # places for objects in a batch; there are 8, 16, 32, ... of them
NO_LABEL = -1  # of places that no object takes


@dataclass(frozen=True)
class Looks:
    """How images are looked at in training, one row each.

    Attributes:
        order: int64 `(n,)`, which images.
        scales: int64 `(n, 2)`, the most that their longer and shorter sides may be.
        flips: bool `(n,)`, which are mirrored.
    """

    order: np.ndarray
    scales: np.ndarray
    flips: np.ndarray


# One epoch, given its number.
Epoch = Callable[[int], Looks]


def random_epochs(
    objects: Objects, data: DetectionData, steps: int, batch_size: int, seed: int
) -> Epoch:
    """What each training epoch consists of; the same for the same seed and number.

    The images of a batch are all wider than high, or none is, so that little of it is
    padding.

    Args:
        objects: what there is.
        data: how to change it.
        steps: batches an epoch.
        batch_size: images a batch.
        seed: of everything random.
    """
    sizes = objects.images.image_sizes
    wide = sizes[:, 1] > sizes[:, 0]
    longer, shorter = data.scale
    shorts = np.array(data.augmentation.short_sides or (shorter,), np.int64)

    def epoch(number: int) -> Looks:
        rng = np.random.default_rng([seed, int(number)])
        order = alike_in_batches(wide, steps, batch_size, rng)
        short = shorts[rng.integers(len(shorts), size=len(order))]
        scales = np.stack([np.maximum(longer, short), short], axis=-1)
        flips = rng.random(len(order)) < data.augmentation.flip_probability
        return Looks(order, scales, flips)

    return epoch


def largest_scale(data: DetectionData) -> tuple[int, int]:
    """The most that the longer and the shorter side of any training image may be."""
    short = max(data.augmentation.short_sides or (data.scale[1],))
    return max(data.scale[0], short), short


def alike_in_batches(
    kinds: np.ndarray, steps: int, batch_size: int, rng: np.random.Generator
) -> np.ndarray:
    """A random order in which each batch is of one kind.

    All come up in each round, and some of a kind twice where they do not fill a batch.

    Args:
        kinds: bool `(n,)`.
        steps: batches.
        batch_size: of each.
        rng: where all chance comes from.

    Returns:
        int64 `(steps * batch_size,)`, indices.
    """
    batches: list[np.ndarray] = []
    while len(batches) < steps:
        of_round = []
        for kind in (False, True):
            members = rng.permutation(np.flatnonzero(kinds == kind))
            if len(members):
                count = -(-len(members) // batch_size)
                filled = np.resize(members, count * batch_size)
                of_round += np.split(filled, count)
        batches += [of_round[i] for i in rng.permutation(len(of_round))]
    return np.concatenate(batches[:steps]).astype(np.int64)


class ObjectReader:
    """Makes batches of images and their objects.

    Args:
        objects: the images.
        masks: whether to give the pixels of each object.
        bucket: of which the sides of batches are multiples.
        scale: the most that the longer and the shorter side of any image may be.
        on_error: what to do about broken images; with `"skip"` the next one of the data
            set takes the place of a broken one.
        reading: how image files are taken.

    Attributes:
        files: reads whole images; `files.broken` has what was skipped.
    """

    def __init__(
        self,
        objects: Objects,
        masks: bool,
        bucket: int,
        scale: tuple[int, int],
        on_error: Policy = "stop",
        reading: Reading = UPRIGHT,
    ):
        self.objects, self.masks, self.scale = objects, masks, scale
        self.bucket = bucket
        self.files = CropReader(objects.images, (1, 1), on_error, reading)

    def image(self, row: int) -> np.ndarray | None:
        """An image, uint8 RGB; None: it is broken, and the policy is to go on.

        Raises:
            InputError: if it is broken and the policy is to stop.
        """
        try:
            return self.files.load(row)[0]
        except (InputError, OSError) as error:
            self.files.broken.add(f"{self.objects.images.sources[row]}: {error}")
            return None

    def good_from(self, row: int) -> tuple[int, np.ndarray]:
        """The next good image of the same kind, and its row.

        Raises:
            InputError: if there is none.
        """
        count = len(self.objects)
        sizes = self.objects.images.image_sizes
        kind = sizes[:, 1] > sizes[:, 0]
        for other in (row + np.arange(count)) % count:
            if kind[other] != kind[row]:
                continue
            image = self.image(int(other))
            if image is not None:
                return int(other), image
        raise InputError(f"none of {count} images can be read.")

    def batch(
        self, rows: np.ndarray, scales: np.ndarray, flips: np.ndarray
    ) -> list[np.ndarray]:
        """Some images with their objects, padded.

        Args:
            rows: int64 `(n,)`, which of the images.
            scales: int64 `(n, 2)`, the most that their sides may be.
            flips: bool `(n,)`, which are mirrored.

        Returns:
            uint8 RGB `(n, height, width, 3)`; sizes int32 `(n, 2)`; boxes float32 `(n,
            places, 4)`; labels int32 `(n, places)`; crowds bool `(n, places)`; and
            masks uint8 `(n, places, height, width / 8)`, the bits of eight pixels each,
            the first one highest (no places without masks).
        """
        own = [self.good_from(int(row)) for row in rows]
        fitted = [
            fitted_size(image.shape[:2], scale)
            for (_, image), scale in zip(own, scales, strict=True)
        ]
        height, width = batch_size_for(np.array(fitted), self.scale, self.bucket)
        most = max(len(self.objects.boxes[row]) for row, _ in own)
        places = LEAST_OBJECTS
        while places < most:
            places *= 2
        count = len(rows)
        images = np.zeros((count, height, width, 3), np.uint8)
        boxes = np.zeros((count, places, 4), np.float32)
        labels = np.full((count, places), NO_LABEL, np.int32)
        crowds = np.zeros((count, places), bool)
        packed = np.zeros(
            (count, places if self.masks else 0, height, width // 8), np.uint8
        )
        for i, ((row, image), size, flip) in enumerate(
            zip(own, fitted, flips, strict=True)
        ):
            look = resized(image, size)
            images[i, : size[0], : size[1]] = look[:, ::-1] if flip else look
            before, n = image.shape[:2], len(self.objects.boxes[row])
            boxes[i, :n] = moved_boxes(self.objects.boxes[row], before, size, flip)
            labels[i, :n] = self.objects.labels[row]
            crowds[i, :n] = self.objects.crowds[row]
            if self.masks:
                whole = np.zeros((size[0], width), np.uint8)
                for place, outline in enumerate(self.objects.outlines[row]):
                    whole[:, : size[1]] = moved_mask(outline, before, size, flip)
                    packed[i, place, : size[0]] = np.packbits(whole, axis=-1)
        return [images, np.array(fitted, np.int32), boxes, labels, crowds, packed]


def unpacked(packed: tf.Tensor) -> tf.Tensor:
    """Bits to pixels: uint8 `(..., n)` to uint8 0 or 1 `(..., 8 * n)`."""
    shifts = tf.constant([7, 6, 5, 4, 3, 2, 1, 0], tf.uint8)
    bits = tf.bitwise.right_shift(packed[..., None], shifts) & tf.constant(1, tf.uint8)
    shape = tf.shape(packed)
    return tf.reshape(bits, tf.concat([shape[:-1], 8 * shape[-1:]], axis=0))


def training_batches(
    reader: ObjectReader,
    data: DetectionData,
    epoch: Epoch,
    numbers: range,
    batch_size: int,
    seed: int = 0,
) -> tf.data.Dataset:
    """Batches of random looks, one epoch after another.

    Args:
        reader: makes them.
        data: how colours change.
        epoch: what each epoch consists of.
        numbers: of the epochs; an interrupted training goes on at a later one.
        batch_size: images a batch.
        seed: of random colours.

    Returns:
        A data set of `{"image", "sizes"}`: uint8 RGB `(batch, height, width, 3)`,
        padded at the right and below, and int32 `(batch, 2)`, height and width of what
        is no padding; and `{"boxes", "labels", "crowds"}`: float32 `(batch, places,
        4)`, x1, y1, x2, y2 in pixels, int32 `(batch, places)`, -1 where there is no
        object, and uint8, 1 for crowds; and `"masks"`, uint8 `(batch, places, height,
        width)`, 0 or 1, where masks are wanted.
    """
    recolor = recolor_batch(data.augmentation)

    def draw(number):
        looks = epoch(number)
        return looks.order, looks.scales, looks.flips, np.arange(len(looks.order))

    def samples(number):
        columns = tf.numpy_function(
            draw, [number], [tf.int64, tf.int64, tf.bool, tf.int64]
        )
        for column, own in zip(columns, [(), (2,), (), ()], strict=True):
            column.set_shape((None, *own))
        numbered = tf.repeat(number, tf.shape(columns[0])[0])
        return tf.data.Dataset.from_tensor_slices((*columns, numbered))

    def load(order, scales, flips, places, numbered):
        types = [tf.uint8, tf.int32, tf.float32, tf.int32, tf.bool, tf.uint8]
        found = tf.numpy_function(
            reader.batch, [order, scales, flips], types, stateful=False
        )
        shapes = [(None, None, 3), (2,), (None, 4), (None,), (None,), (None,) * 3]
        for tensor, own in zip(found, shapes, strict=True):
            tensor.set_shape((order.shape[0], *own))
        place = places[0] % batch_size  # in the batch: 0, or where a share begins
        key = batch_key(seed, numbered[0], places[0] - place)
        images = recolor(key, found[0], place)
        return images, *found[1:]

    def named(images, sizes, boxes, labels, crowds, packed):
        # Keras adds up the first batch over devices, which it cannot with booleans.
        counted = tf.cast(crowds, tf.uint8)
        targets = {"boxes": boxes, "labels": labels, "crowds": counted}
        if reader.masks:
            targets["masks"] = unpacked(packed)
            targets["masks"].set_shape((labels.shape[0], None, None, None))
        return {"image": images, "sizes": sizes}, targets

    epochs = tf.data.Dataset.range(numbers.start, numbers.stop).flat_map(samples)
    batches = in_parallel(epochs, batch_size, load)
    # One after the other: whole masks take eight times the memory of packed ones.
    return batches.map(named).prefetch(AHEAD if not reader.masks else 1)
