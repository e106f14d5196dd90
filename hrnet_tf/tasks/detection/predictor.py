"""Images to the objects in them: resized, padded, network, back to image pixels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.preprocess import resized
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks.base.predictor import Network, Predictor
from hrnet_tf.tasks.base.viewer import check_finite
from hrnet_tf.tasks.detection.config import LEAST_SIDE
from hrnet_tf.tasks.detection.geometry import (
    fitted_size,
    normalised,
    padded_side,
    scale_factors,
)
from hrnet_tf.tasks.detection.manifest import DetectionManifest
from hrnet_tf.tasks.detection.result import FoundObjects

Padded = Mapping[str, tf.Tensor]


def behind_padding(
    network: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]],
    manifest: DetectionManifest,
) -> Callable[[Padded], dict[str, tf.Tensor]]:
    """What a network answers about padded images.

    Args:
        network: of normalised `image` and `sizes`.
        manifest: what the network takes.

    Returns:
        A function of `image`, uint8 RGB `(n, height, width, 3)`, and `sizes`, int32
        `(n, 2)`, height and width of what is no padding.
    """
    given = manifest.input

    def answer(padded: Padded) -> dict[str, tf.Tensor]:
        sizes = padded["sizes"]
        channels = given.mean, given.std, given.color_order
        image = normalised(padded["image"], sizes, *channels)
        return network({"image": image, "sizes": sizes})

    return answer


class DetectionPredictor(Predictor):
    """Finds objects of many classes in images.

    Make one with `hrnet_tf.load` or `DetectionPredictor.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/objects")
        found = predictor.predict(image)  # uint8 RGB (height, width, 3)
        found.names, found.scores, found.boxes
        ```
    """

    in_graph = staticmethod(behind_padding)
    manifest: DetectionManifest

    @classmethod
    def from_model(
        cls, model: keras.Model, manifest: DetectionManifest
    ) -> "DetectionPredictor":
        """A predictor on a graph with constant weights.

        Args:
            model: such as `hrnet_tf.HRNetDetector` builds.
            manifest: its facts.
        """
        steps = behind_padding(fold(model), manifest)
        graph = constant_graph(_by_name(steps), *_padded())
        return cls(_on_arrays(graph), manifest)

    @classmethod
    def from_training(
        cls, model: keras.Model, manifest: DetectionManifest
    ) -> "DetectionPredictor":
        """A predictor on a model that still learns: it follows its variables."""
        steps = behind_padding(lambda x: model(x, training=False), manifest)
        graph = tf.function(_by_name(steps), input_signature=_padded(), autograph=False)
        return cls(_on_arrays(graph), manifest)

    @classmethod
    def from_network(
        cls, network: Network, manifest: DetectionManifest
    ) -> "DetectionPredictor":
        """A predictor on anything that answers; what surrounds it runs eagerly.

        Args:
            network: takes normalised images, padded with zeros, such as an exported
                model.
            manifest: its facts.
        """
        steps = behind_padding(lambda given: network(given["image"]), manifest)
        return cls(_on_arrays(_by_name(steps)), manifest)

    def predict(self, image: ImageSource) -> FoundObjects:
        """Find the objects in one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size; or a path or an
                address, see `hrnet_tf.open_image`.

        Returns:
            The objects in pixels of the image, best first.

        Raises:
            InputError: if the image has another shape or type, or the network answers
                with NaN or infinity.
        """
        return self.predict_several([image])[0]

    def predict_several(self, images: Sequence[ImageSource]) -> list[FoundObjects]:
        """Find the objects in each of several images; those of one size together.

        Args and errors are those of `predict`.
        """
        opened = [self.opened(image) for image in images]
        together: dict[tuple[int, int], list[int]] = {}
        for index, image in enumerate(opened):
            together.setdefault(self.padded_size(image.shape), []).append(index)
        found: dict[int, FoundObjects] = {}
        for size, indices in together.items():
            answers = self._look([opened[index] for index in indices], size)
            found |= dict(zip(indices, answers, strict=True))
        return [found[index] for index in range(len(opened))]

    @property
    def class_names(self) -> tuple[str, ...]:
        """What it finds."""
        return self.manifest.classes.names

    def boxes_of(self, image: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Find the objects of a class; see `tasks.base.behind_detector.BoxFinder`.

        Args:
            image: uint8 RGB, `(height, width, 3)`.
            name: of the class.

        Returns:
            Boxes `(n, 4)`, x, y, width, height in pixels of the image, and scores
            `(n,)`.
        """
        found = self.predict(image).of_class(name)
        return found.boxes, found.scores

    def fitted_size(self, shape: Sequence[int]) -> tuple[int, int]:
        """How high and wide the network sees an image of a shape."""
        if self.manifest.input.any_size:
            return fitted_size(shape[:2], self.manifest.scale)
        height, width = self.manifest.input.size
        factor = min(height / shape[0], width / shape[1])
        sides = (int(shape[0] * factor + 0.5), int(shape[1] * factor + 0.5))
        return max(1, sides[0]), max(1, sides[1])

    def padded_size(self, shape: Sequence[int]) -> tuple[int, int]:
        """How high and wide what the network takes of such an image is."""
        if not self.manifest.input.any_size:
            return self.manifest.input.size
        height, width = map(padded_side, self.fitted_size(shape))
        return max(height, LEAST_SIDE), max(width, LEAST_SIDE)

    def _look(
        self, images: Sequence[np.ndarray], size: tuple[int, int]
    ) -> list[FoundObjects]:
        """What is found in images that are padded to one size."""
        padded = np.zeros((len(images), *size, 3), np.uint8)
        sizes = np.array([self.fitted_size(image.shape) for image in images], np.int32)
        for row, image, (height, width) in zip(padded, images, sizes, strict=True):
            row[:height, :width] = resized(image, (int(height), int(width)))
        answer = self.answer({"image": padded, "sizes": sizes})
        return [
            self._found(answer, row, image.shape[:2], sizes[row])
            for row, image in enumerate(images)
        ]

    def _found(
        self,
        answer: Mapping[str, np.ndarray],
        row: int,
        size: Sequence[int],
        fitted: np.ndarray,
    ) -> FoundObjects:
        """What is found in one image of a batch, in its own pixels."""
        count = int(answer["counts"][row])
        boxes = answer["boxes"][row, :count] / scale_factors(size, fitted.tolist())
        scores = answer["scores"][row, :count]
        check_finite(boxes, scores)
        maps = answer["masks"][row, :count] if self.manifest.masks else None
        sides = boxes[:, 2:] - boxes[:, :2]
        return FoundObjects(
            np.concatenate([boxes[:, :2], sides], axis=1).astype(np.float32),
            scores.astype(np.float32),
            answer["labels"][row, :count].astype(np.int64),
            self.manifest.classes,
            (int(size[0]), int(size[1])),
            maps,
        )


def _padded() -> tuple[tf.TensorSpec, tf.TensorSpec]:
    return (
        tf.TensorSpec((None, None, None, 3), tf.uint8, "image"),
        tf.TensorSpec((None, 2), tf.int32, "sizes"),
    )


def _by_name(steps: Callable[[Padded], Any]) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    return lambda image, sizes: steps({"image": image, "sizes": sizes})


def _on_arrays(graph: Callable) -> Callable[[Mapping[str, np.ndarray]], Any]:
    """A function of arrays that asks one of tensors."""

    def answer(padded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors = graph(tf.constant(padded["image"]), tf.constant(padded["sizes"]))
        if not isinstance(tensors, Mapping):
            raise InputError("The network must answer by name: boxes, scores, labels.")
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    return answer
