"""Whole images to classes: resize, crop, network, softmax."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras.applications import imagenet_utils

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.preprocess import central_crop_of
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Predictor
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.result import Classification


def classifier(
    network: Callable[[tf.Tensor], tf.Tensor], manifest: ClassificationManifest
) -> Callable[[tf.Tensor], tf.Tensor]:
    """All that happens to crops in a graph: normalise, network, flip, softmax.

    Args:
        network: normalised images to logits.
        manifest: what the network takes.

    Returns:
        A function of RGB crops `(n, height, width, 3)`, 0..255, to probabilities `(n,
        classes)`.
    """

    def classify(crops: tf.Tensor) -> tf.Tensor:
        images = manifest.input.normalised(crops)
        if not manifest.flip:
            return tf.nn.softmax(network(images))
        both = network(tf.concat([images, tf.reverse(images, [2])], axis=0))
        straight, mirrored = tf.split(tf.nn.softmax(both), 2)
        return (straight + mirrored) * 0.5

    return classify


class ImageClassifier(Predictor):
    """Says which class an image belongs to.

    Make one with `hrnet_tf.load` or `ImageClassifier.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/actions")
        answer = predictor.predict(image)  # uint8 RGB (height, width, 3)
        answer.top(3)  # [("waving", 0.98), ("jumping", 0.01), ("standing", 0.01)]
        ```
    """

    in_graph = staticmethod(classifier)

    def classify(self, crops: np.ndarray) -> np.ndarray:
        """Crops, uint8 `(n, height, width, 3)`, to probabilities `(n, classes)`."""
        return self.answer(crops)

    def predict(self, image: ImageSource) -> Classification:
        """Classify one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size; or a path or an
                address, see `hrnet_tf.open_image`.

        Raises:
            InputError: if the image has another shape or type.
        """
        return self.predict_several([image])[0]

    def predict_several(self, images: Sequence[ImageSource]) -> list[Classification]:
        """Classify several images, at least one, all at once.

        Args and errors are those of `predict`.
        """
        size, share = self.manifest.input.size, self.manifest.crop_share
        crops = [central_crop_of(self.opened(image), size, share) for image in images]
        classes = self.manifest.classes
        return [Classification(row, classes) for row in self.classify(np.stack(crops))]


def decode_predictions(
    logits: Any, top: int = 5, classes: Sequence[str] | None = None
) -> list[list[tuple[str, float]]]:
    """Logits to the names of the likeliest classes, with their probabilities.

    Args:
        logits: `(batch, classes)`.
        top: how many names an image gets.
        classes: names of the classes; None: the thousand of ImageNet, whose list Keras
            fetches once.

    Returns:
        For each image `(name, probability)` pairs, the likeliest first.

    Raises:
        ValueError: if the number of classes is another one.
        InputError: if ImageNet's list cannot be fetched.

    Example:
        ```python
        logits = model(hrnet_tf.preprocess_input(images))
        decode_predictions(logits, top=1)  # [[("tabby", 0.83)], ...]
        ```
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32)).numpy()
    if classes is None:
        try:
            found = imagenet_utils.decode_predictions(probabilities, top)
        except ValueError:
            raise
        except Exception as error:  # Keras raises no narrower kind without a connection
            raise InputError(
                f"The names of ImageNet's classes could not be fetched ({error}); try "
                "again with a connection, or give the names as `classes=`."
            ) from error
        return [[(name, float(share)) for _, name, share in row] for row in found]
    if probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
        raise ValueError(
            f"`logits` must be (batch, {len(classes)}), as many as `classes`, got "
            f"{probabilities.shape}."
        )
    return [Classification(row, tuple(classes)).top(top) for row in probabilities]
