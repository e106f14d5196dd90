"""Whole images to a label for every pixel."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.dense.predictor import DensePredictor, answers_at_pixels
from hrnet_tf.tasks.segmentation.manifest import SegmentationManifest
from hrnet_tf.tasks.segmentation.result import LabelMap

HIGHEST = 80.0  # logits are cut here, so that the sum of a few exponentials is finite


def scorer(
    network: Network, manifest: SegmentationManifest
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
    order = manifest.classes.mirror

    def exchange(logits: tf.Tensor) -> tf.Tensor:
        return tf.gather(logits, order, axis=-1)

    logits_of = answers_at_pixels(network, manifest, exchange)
    return lambda images: tf.exp(tf.minimum(logits_of(images), HIGHEST))


def label_pixels(scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores `(..., classes)` to labels, uint8 `(...)`, and confidence, 0 to 1."""
    labels = tf.cast(tf.argmax(scores, axis=-1), tf.uint8)
    highest, total = tf.reduce_max(scores, axis=-1), tf.reduce_sum(scores, axis=-1)
    return labels, tf.math.divide_no_nan(highest, total)


class SegmentationPredictor(DensePredictor):
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

    @property
    def channels(self) -> int:
        """A score a class."""
        return len(self.manifest.classes)

    def predict(self, image: ImageSource) -> LabelMap:
        """Label the pixels of one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size; or a path or an
                address, see `hrnet_tf.open_image`.

        Raises:
            InputError: if the image has another shape or type.
        """
        return self.predict_several([image])[0]

    def predict_several(self, images: Sequence[ImageSource]) -> list[LabelMap]:
        """Label the pixels of several images; those of one size are seen together.

        Args and errors are those of `predict`.
        """
        sums = self.sums_of_views([self.opened(image) for image in images])
        found = (label_pixels(scores) for scores in sums)
        classes = self.manifest.classes
        return [LabelMap(x.numpy(), sure.numpy(), classes) for x, sure in found]
