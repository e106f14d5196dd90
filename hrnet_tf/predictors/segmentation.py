"""Whole images to a label for every pixel: views, network, sum of their scores."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hrnet_tf.layers import resize_bilinear
from hrnet_tf.manifest import SegmentationManifest
from hrnet_tf.opencv import cv2
from hrnet_tf.predictors.base import Predictor
from hrnet_tf.preprocess import check_image, preprocess_input
from hrnet_tf.results import LabelMap

HIGHEST = 80.0  # logits are cut here, so that the sum of a few exponentials is finite


def scorer(
    network: Callable[[tf.Tensor], tf.Tensor], manifest: SegmentationManifest
) -> Callable[[tf.Tensor], tf.Tensor]:
    """All that happens to images in a graph: normalise, network, resize, flip.

    Args:
        network: normalised images to logits.
        manifest: what the network takes and how its logits are read.

    Returns:
        A function of RGB images `(n, height, width, 3)`, 0..255, to exponentials of
        logits, float32 `(n, height, width, classes)`. Their share of the sum over
        classes is the softmax; views of one image are summed before that, as in the
        official program, so that views that are sure count more.
    """
    mirror = manifest.classes.mirror

    def logits_of(images: tf.Tensor) -> tf.Tensor:
        size = tf.shape(images)[1:3]
        logits = tf.cast(network(images), tf.float32)
        return resize_bilinear(logits, size, manifest.output.align_corners)

    def score(images: tf.Tensor) -> tf.Tensor:
        images = preprocess_input(images, manifest.input.mean, manifest.input.std)
        logits = logits_of(images)
        if manifest.views.flip:
            mirrored = tf.reverse(logits_of(tf.reverse(images, [2])), [2])
            logits = (logits + tf.gather(mirrored, mirror, axis=-1)) * 0.5
        return tf.exp(tf.minimum(logits, HIGHEST))

    return score


def label_pixels(scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores `(..., classes)` to labels, uint8 `(...)`, and confidence, 0 to 1."""
    labels = tf.cast(tf.argmax(scores, axis=-1), tf.uint8)
    highest, total = tf.reduce_max(scores, axis=-1), tf.reduce_sum(scores, axis=-1)
    return labels, tf.math.divide_no_nan(highest, total)


class SegmentationPredictor(Predictor):
    """Gives every pixel of an image its class.

    Make one with `hrnet_tf.load` or `SegmentationPredictor.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/streets")
        answer = predictor.predict(image)  # uint8 RGB (height, width, 3)
        answer.labels, answer.confidence  # (height, width), uint8 and float32
        ```
    """

    in_graph = staticmethod(scorer)

    def predict(self, image: np.ndarray) -> LabelMap:
        """Label the pixels of one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size.

        Raises:
            InputError: if the image has another shape or type.
        """
        labels, confidence = label_pixels(self.scores(check_image(image)))
        return LabelMap(labels.numpy(), confidence.numpy(), self.manifest.classes)

    def scores(self, image: np.ndarray) -> np.ndarray:
        """The sum of all views' scores, float32 `(height, width, classes)`.

        Source: the official test program: scales, windows, mirrored images.
        """
        height, width = image.shape[:2]
        total = np.zeros((height, width, len(self.manifest.classes)), np.float32)
        base = self._base_size(height, width)
        for scale in self.manifest.views.scales:
            size = (int(base[0] * scale + 0.5), int(base[1] * scale + 0.5))
            seen = self._view(_resized(image, size))
            total += _resized(seen, (height, width))
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
        classes = len(self.manifest.classes)
        total = np.zeros((*image.shape[:2], classes), np.float32)
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
    """An image or a map of scores, bilinear."""
    if array.shape[:2] == size:
        return array
    resized = cv2.resize(array, size[::-1], interpolation=cv2.INTER_LINEAR)
    return resized.reshape(*size, -1)  # OpenCV drops a single channel
