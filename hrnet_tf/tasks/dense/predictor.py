"""Whole images to answers for every pixel: views, network, what they say together."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.preprocess import resized
from hrnet_tf.networks.layers import resize_bilinear, resize_like
from hrnet_tf.tasks.base.predictor import Network, Predictor
from hrnet_tf.tasks.dense.manifest import DenseManifest

PIXELS_AT_ONCE = 2**20  # of images that are seen together, if they are several


def answers_at_pixels(
    network: Network,
    manifest: DenseManifest,
    mirror: Callable[[tf.Tensor], tf.Tensor],
) -> Callable[[tf.Tensor], tf.Tensor]:
    """What happens to images in a graph: normalise, network, resize, flip.

    Args:
        network: normalised images to a map.
        manifest: what the network takes and how its map is resized.
        mirror: what else a mirror does to maps `(n, height, width, channels)`.

    Returns:
        A function of RGB images `(n, height, width, 3)`, 0..255, to maps of that size,
        float32 `(n, height, width, channels)`; where the manifest says so, the mean
        with those of the mirrored images.
    """

    def maps_of(images: tf.Tensor) -> tf.Tensor:
        return resize_like(network(images), images, manifest.output.align_corners)

    def answer(images: tf.Tensor) -> tf.Tensor:
        images = manifest.input.normalised(images)
        maps = maps_of(images)
        if manifest.views.flip:
            mirrored = tf.reverse(maps_of(tf.reverse(images, [2])), [2])
            maps = (maps + mirror(mirrored)) * 0.5
        return maps

    return answer


def size_of_look(
    given: Any, manifest: DenseManifest, scale: float = 1.0
) -> tuple[Any, Any]:
    """The size at which an image is looked at.

    Args:
        given: the image's height and width, a pair; or in a graph a tensor, int32
            `(2,)`.
        manifest: its `views` say the size at scale 1.
        scale: how many times larger than that.

    Returns:
        Height and width, a pair of integers or int32 `(2,)`, and how many times larger
        that makes the image, float64.
    """
    views, in_graph = manifest.views, tf.is_tensor(given)
    least, most, floor = np.min, np.max, np.floor
    if in_graph:
        least, most, floor = tf.reduce_min, tf.reduce_max, tf.floor
    sides = manifest.input.size if views.stretch else given
    sides = tf.cast(sides, tf.float64) if in_graph else np.asarray(sides, np.float64)
    if views.short_side is not None and not views.stretch:
        sides = sides * (views.short_side / least(sides))
    sides = floor(sides * scale + 0.5)
    size = tf.cast(sides, tf.int32) if in_graph else tuple(map(int, sides))
    return size, most(size) / most(given)


def look_at_whole(
    answer: Callable[[tf.Tensor], tf.Tensor], manifest: DenseManifest
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """One look at a whole image in a graph, at the size that the manifest's views say.

    Args:
        answer: images to maps of their size; see `answers_at_pixels`.
        manifest: its `views` say the size; their scales and window do not count.

    Returns:
        A function of a uint8 image `(height, width, 3)` to the map, float32 `(height,
        width, channels)`, and how many times larger the image was made, float32.
    """
    views = manifest.views

    def look(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        given = tf.shape(image)[:2]
        if not views.stretch and views.short_side is None:
            return answer(image[None])[0], tf.constant(1.0)
        wanted, factor = size_of_look(given, manifest)
        other = tf.cast(tf.round(tf.image.resize(image, wanted)), tf.uint8)
        seen = resize_bilinear(answer(other[None]), given, False)[0]
        return seen, tf.cast(factor, tf.float32)

    return look


class DensePredictor(Predictor, ABC):
    """Answers for every pixel of images of any size.

    Attributes:
        manifest: its `views` say how an image is looked at.
    """

    manifest: Any

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many numbers a pixel gets."""

    def in_original(self, seen: np.ndarray, factor: float) -> np.ndarray:
        """What was seen of an enlarged image, as it holds for the image itself.

        Args:
            seen: float32 `(height, width, channels)`.
            factor: how many times larger the image was made.
        """
        return seen

    def sum_of_views(self, image: np.ndarray) -> np.ndarray:
        """The sum of what is seen of one image, float32 `(height, width, channels)`."""
        return self.sums_of_views([image])[0]

    def sums_of_views(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The sum of what is seen of each of several images at all scales.

        Those of one size are seen together, as long as they are not large.

        Args:
            images: uint8 RGB, each `(height, width, 3)`.

        Returns:
            float32 `(height, width, channels)`, one each.

        Source: the official test program of segmentation: scales, windows, mirrored
        images.
        """
        together: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            together.setdefault(image.shape[:2], []).append(index)
        sums: dict[int, np.ndarray] = {}
        for (height, width), indices in together.items():
            at_once = max(1, PIXELS_AT_ONCE // (height * width))
            for first in range(0, len(indices), at_once):
                some = indices[first : first + at_once]
                found = self._sums([images[index] for index in some])
                sums |= dict(zip(some, found, strict=True))
        return [sums[index] for index in range(len(images))]

    def _sums(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The sums of views of images of one size, `(n, height, width, channels)`."""
        given = images[0].shape[:2]
        total = np.zeros((len(images), *given, self.channels), np.float32)
        for scale in self.manifest.views.scales:
            size, factor = size_of_look(given, self.manifest, scale)
            views = self._views(np.stack([resized(image, size) for image in images]))
            for row, view in zip(total, views, strict=True):
                row += self.in_original(resized(view, given), factor)
        return total

    def _views(self, images: np.ndarray) -> np.ndarray:
        if not self.manifest.input.any_size or self.manifest.views.window:
            return self._slide(images)
        return self.answer(images)

    def _slide(self, images: np.ndarray) -> np.ndarray:
        """A window of the manifest's size at all places; where several look: the mean.

        What is smaller than the window is padded with black, below and on the right.
        """
        window, (height, width) = self.manifest.input.size, images.shape[1:3]
        below, right = (
            max(0, w - n) for w, n in zip(window, (height, width), strict=True)
        )
        images = np.pad(images, ((0, 0), (0, below), (0, right), (0, 0)))
        total = np.zeros((*images.shape[:3], self.channels), np.float32)
        looks = np.zeros((*images.shape[1:3], 1), np.float32)
        share = self.manifest.views.stride_share
        for top in _places(images.shape[1], window[0], share):
            for left in _places(images.shape[2], window[1], share):
                place = np.s_[top : top + window[0], left : left + window[1]]
                total[(slice(None), *place)] += self.answer(
                    images[(slice(None), *place)]
                )
                looks[place] += 1
        return (total / looks)[:, :height, :width]


def _places(side: int, window: int, share: float) -> list[int]:
    """Where windows begin so that they cover a side; the last one ends with it."""
    stride = max(1, int(window * share))
    return [*range(0, side - window, stride), side - window]
