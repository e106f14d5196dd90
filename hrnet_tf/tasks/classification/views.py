"""What to show of an image: a random crop, or the middle."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.preprocess import (
    central_crop,
    central_crop_of,
    part_of,
    widened,
)
from hrnet_tf.tasks.classification.augment import ImageAugmentation

ATTEMPTS = 10  # to fit a random crop into its image


class View(Protocol):
    """What to cut out of images, and how: at random, or the middle."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is cut out."""

    def plan(
        self, sizes: np.ndarray, epoch: int, position: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose what to cut out of a batch.

        Args:
            sizes: int `(n, 2)`, height and width of each image.
            epoch: its number.
            position: of the batch's first image in the epoch.

        Returns:
            Windows to decode, int32 `(n, 4)`: top, left, height, width in image pixels;
            and what to do with each, int32 `(n, 5)`, for `cut`.
        """

    def cut(self, part: np.ndarray, what: np.ndarray) -> np.ndarray:
        """A decoded window, uint8, to uint8 `(height, width, 3)`."""

    def cut_all(self, parts: list[tf.Tensor], what: tf.Tensor) -> tf.Tensor:
        """`cut` for a batch, in a graph."""


@dataclass(frozen=True)
class RandomView:
    """Random resized crops, mirrored at random.

    Attributes:
        size: height and width of a crop.
        settings: how large and how wide the crops are, and how often mirrored.
        seed: of everything random.
        batch_size: images a batch; what is drawn for a part of one is what the whole
            one would have had there. None: what is given is a whole one.
    """

    size: tuple[int, int]
    settings: ImageAugmentation
    seed: int = 0
    batch_size: int | None = None

    def plan(
        self, sizes: np.ndarray, epoch: int, position: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `View.plan`; what to do: the crop in its window, and whether mirrored."""
        place = int(position) % self.batch_size if self.batch_size else 0
        rng = np.random.default_rng([self.seed, int(epoch), int(position) - place])
        own = slice(place, place + len(sizes))
        of_batch = np.ones((self.batch_size or len(sizes), 2), np.asarray(sizes).dtype)
        of_batch[own] = sizes
        crops = random_windows(of_batch, self.settings, rng)[own]
        flips = rng.random(len(of_batch))[own] < self.settings.flip_probability
        windows = widened(crops[:, :2], crops[:, :2] + crops[:, 2:], sizes)
        inner = np.concatenate([crops[:, :2] - windows[:, :2], crops[:, 2:]], axis=1)
        what = np.concatenate([inner, flips[:, None]], axis=1)
        return windows, what.astype(np.int32)

    def cut(self, part: np.ndarray, what: np.ndarray) -> np.ndarray:
        """See `View.cut`."""
        crop = part_of(part, what[:4])
        height, width = crop.shape[:2]
        # Averaging takes ten times longer, as long as decoding; it pays only where
        # linear interpolation would leave out pixels.
        shrinks = height > 2 * self.size[0] or width > 2 * self.size[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(crop, self.size[::-1], interpolation=method)
        return resized[:, ::-1] if what[4] else resized

    def cut_all(self, parts: list[tf.Tensor], what: tf.Tensor) -> tf.Tensor:
        """See `View.cut_all`."""

        def cut(what, *parts):
            rows = zip(parts, what, strict=True)
            return np.stack([self.cut(*row) for row in rows])

        # One call into Python for a batch; one for each image would wait each time.
        return tf.numpy_function(cut, [what, *parts], tf.uint8, stateful=False)


@dataclass(frozen=True)
class CentralView:
    """The middle of the image, at a size where it has a margin.

    Attributes:
        size: height and width of the crop.
        resize_share: what the crop is of the image's shorter side.
    """

    size: tuple[int, int]
    resize_share: float = 0.875

    def plan(
        self, sizes: np.ndarray, epoch: int, position: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `View.plan`; nothing is left to say what to do."""
        windows = np.concatenate([np.zeros_like(sizes), sizes], axis=1)
        return windows.astype(np.int32), np.zeros((len(sizes), 5), np.int32)

    def cut(self, part: np.ndarray, what: np.ndarray) -> np.ndarray:
        """See `View.cut`."""
        return central_crop_of(part, self.size, self.resize_share)

    def cut_all(self, parts: list[tf.Tensor], what: tf.Tensor) -> tf.Tensor:
        """See `View.cut_all`."""
        crops = [central_crop(part, self.size, self.resize_share) for part in parts]
        return tf.stack(crops)


def random_windows(
    sizes: np.ndarray, settings: ImageAugmentation, rng: np.random.Generator
) -> np.ndarray:
    """Draw a window of each image, of random area and shape.

    Args:
        sizes: int `(n, 2)`, height and width of each image.
        settings: the range of areas and of shapes.
        rng: where all chance comes from; how often it is asked depends on `n` only.

    Returns:
        int64 `(n, 4)`: top, left, height, width, inside the image; the largest one in
        the middle, of a shape within the range, if none of ten attempts fits.

    Source: Szegedy et al., https://arxiv.org/abs/1409.4842, section 6.
    """
    count = len(sizes)
    height, width = np.asarray(sizes, np.float64).T[:, :, None]
    share = rng.uniform(*settings.scale, (count, ATTEMPTS))
    low, high = settings.ratio
    ratio = np.exp(rng.uniform(math.log(low), math.log(high), (count, ATTEMPTS)))
    area = share * height * width
    drawn = np.round(np.sqrt(np.stack([area / ratio, area * ratio], -1)))
    fits = ((drawn >= 1) & (drawn <= sizes[:, None])).all(axis=-1)
    chosen = drawn[np.arange(count), fits.argmax(axis=1)]
    # Where none fits: the image's own shape, as near as the range has it.
    shape = np.clip(width / height, low, high)
    fallback = np.minimum(np.round([width / shape, height * shape]), [height, width])
    fallback = np.maximum(fallback[..., 0].T, 1)
    any_fits = fits.any(axis=1)[:, None]
    chosen = np.where(any_fits, chosen, fallback)
    room = sizes - chosen
    corner = np.floor(rng.random((count, 2)) * (room + 1))
    corner = np.where(any_fits, corner, room // 2)
    return np.concatenate([corner, chosen], axis=1).astype(np.int64)
