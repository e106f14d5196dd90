"""Whole images to answers for every pixel: views, network, what they say together."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.networks.layers import resize_bilinear
from hrnet_tf.tasks.base.predictor import Network, Predictor
from hrnet_tf.tasks.dense.manifest import DenseManifest


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
        size = tf.shape(images)[1:3]
        maps = tf.cast(network(images), tf.float32)
        return resize_bilinear(maps, size, manifest.output.align_corners)

    def answer(images: tf.Tensor) -> tf.Tensor:
        images = preprocess_input(images, manifest.input.mean, manifest.input.std)
        maps = maps_of(images)
        if manifest.views.flip:
            mirrored = tf.reverse(maps_of(tf.reverse(images, [2])), [2])
            maps = (maps + mirror(mirrored)) * 0.5
        return maps

    return answer


def size_of_look(given: tf.Tensor, manifest: DenseManifest) -> tf.Tensor:
    """The size at which an image is looked at whole.

    Args:
        given: the image's height and width, int32 `(2,)`.
        manifest: its `views` say the size.

    Returns:
        Height and width, int32 `(2,)`.
    """
    views = manifest.views
    if views.stretch:
        return tf.constant(manifest.input.size)
    if views.short_side is None:
        return given
    sides = tf.cast(given, tf.float64)
    factor = views.short_side / tf.reduce_min(sides)
    return tf.cast(tf.floor(sides * factor + 0.5), tf.int32)


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
        wanted = size_of_look(given, manifest)
        resized = tf.cast(tf.round(tf.image.resize(image, wanted)), tf.uint8)
        seen = resize_bilinear(answer(resized[None]), given, False)[0]
        factor = tf.reduce_max(wanted) / tf.reduce_max(given)
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
        """The sum of what is seen at all scales, float32 `(height, width, channels)`.

        Args:
            image: uint8 RGB, `(height, width, 3)`.

        Source: the official test program of segmentation: scales, windows, mirrored
        images.
        """
        height, width = image.shape[:2]
        total = np.zeros((height, width, self.channels), np.float32)
        base = self._base_size(height, width)
        for scale in self.manifest.views.scales:
            size = (int(base[0] * scale + 0.5), int(base[1] * scale + 0.5))
            seen = _resized(self._view(_resized(image, size)), (height, width))
            total += self.in_original(seen, max(size) / max(height, width))
        return total

    def _base_size(self, height: int, width: int) -> tuple[float, float]:
        """Height and width at scale 1."""
        views = self.manifest.views
        if views.stretch:
            return self.manifest.input.size
        factor = (views.short_side or min(height, width)) / min(height, width)
        return height * factor, width * factor

    def _view(self, image: np.ndarray) -> np.ndarray:
        if not self.manifest.input.any_size or self.manifest.views.window:
            return self._slide(image)
        return self.answer(image[None])[0]

    def _slide(self, image: np.ndarray) -> np.ndarray:
        """A window of the manifest's size at all places; where several look: the mean.

        What is smaller than the window is padded with black, below and on the right.
        """
        window, (height, width) = self.manifest.input.size, image.shape[:2]
        below, right = (
            max(0, w - n) for w, n in zip(window, (height, width), strict=True)
        )
        image = np.pad(image, ((0, below), (0, right), (0, 0)))
        total = np.zeros((*image.shape[:2], self.channels), np.float32)
        looks = np.zeros((*image.shape[:2], 1), np.float32)
        share = self.manifest.views.stride_share
        for top in _places(image.shape[0], window[0], share):
            for left in _places(image.shape[1], window[1], share):
                place = np.s_[top : top + window[0], left : left + window[1]]
                total[place] += self.answer(image[place][None])[0]
                looks[place] += 1
        return (total / looks)[:height, :width]


def _places(side: int, window: int, share: float) -> list[int]:
    """Where windows begin so that they cover a side; the last one ends with it."""
    stride = max(1, int(window * share))
    return [*range(0, side - window, stride), side - window]


def _resized(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image or a map, bilinear."""
    if array.shape[:2] == size:
        return array
    resized = cv2.resize(array, size[::-1], interpolation=cv2.INTER_LINEAR)
    return resized.reshape(*size, -1)  # OpenCV drops a single channel
