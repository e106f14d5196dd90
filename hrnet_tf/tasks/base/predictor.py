"""What the predictors of all tasks have in common: three ways to be made."""

from collections.abc import Callable
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.images.sources import ImageSource, open_image
from hrnet_tf.networks.fold import constant_graph, fold

Network = Callable[[tf.Tensor], tf.Tensor]
P = TypeVar("P", bound="Predictor")


def behind_normalising(
    network: Network, manifest: Any
) -> Callable[[tf.Tensor], tf.Tensor]:
    """What a network answers about crops, uint8 `(n, height, width, 3)`."""

    def answer(crops: tf.Tensor) -> tf.Tensor:
        images = manifest.input.normalised(crops)
        return network(images)

    return answer


class Predictor:
    """Answers about uint8 crops.

    Args:
        answer: crops `(n, height, width, 3)` to arrays.
        manifest: the model's facts.

    Attributes:
        in_graph: from a network and a manifest, a function of all that happens to crops
            in a graph: normalise, network, decoding; by default no decoding.
    """

    in_graph: Callable[[Network, Any], Callable[[tf.Tensor], Any]] = staticmethod(
        behind_normalising
    )

    def __init__(self, answer: Callable[[Any], Any], manifest: Any):
        self.answer = answer
        self.manifest = manifest

    def opened(self, image: ImageSource) -> np.ndarray:
        """An image to predict from, uint8 RGB; files are taken as the manifest says.

        Args and errors are those of `hrnet_tf.open_image`.
        """
        return open_image(image, self.manifest.input.orientation)

    @classmethod
    def from_model(cls: type[P], model: keras.Model, manifest: Any) -> P:
        """A predictor on the folded network, the fastest form of a model.

        Args:
            model: takes normalised images, such as `hrnet_tf.HRNetV1` builds.
            manifest: its facts.
        """
        graph = constant_graph(cls.in_graph(fold(model), manifest), _crops(manifest))
        return cls(on_arrays(graph), manifest)

    @classmethod
    def from_training(cls: type[P], model: keras.Model, manifest: Any) -> P:
        """A predictor on a model that still learns: it follows its variables."""
        steps = cls.in_graph(lambda images: model(images, training=False), manifest)
        signature = [_crops(manifest)]
        graph = tf.function(steps, input_signature=signature, autograph=False)
        return cls(on_arrays(graph), manifest)

    @classmethod
    def from_network(cls: type[P], network: Network, manifest: Any) -> P:
        """A predictor on anything that answers; what surrounds it runs eagerly.

        Args:
            network: takes normalised images, such as an exported model.
            manifest: its facts.
        """
        return cls(on_arrays(cls.in_graph(network, manifest)), manifest)


def _crops(manifest: Any) -> tf.TensorSpec:
    return tf.TensorSpec((None, *manifest.input.shape, 3), tf.uint8, "crops")


def on_arrays(graph: Callable) -> Callable[[np.ndarray], Any]:
    """A function of arrays that asks one of tensors."""

    def answer(crops: np.ndarray) -> Any:
        tensors = graph(tf.constant(crops))
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), tensors)

    return answer
