"""Whole images to numbers for every pixel."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.dense.predictor import DensePredictor, answers_at_pixels
from hrnet_tf.tasks.regression.manifest import RegressionManifest
from hrnet_tf.tasks.regression.result import DenseMap


def regressor(
    network: Network, manifest: RegressionManifest
) -> Callable[[tf.Tensor], tf.Tensor]:
    """All that happens to images in a graph: normalise, network, resize, flip.

    Args:
        network: normalised images to a map.
        manifest: what the network takes, and what its numbers mean.

    Returns:
        A function of RGB images `(n, height, width, 3)`, 0..255, to numbers, float32
        `(n, height, width, channels)`.
    """
    signs = tf.constant(manifest.channels.signs)
    return answers_at_pixels(network, manifest, lambda maps: maps * signs)


class RegressionPredictor(DensePredictor):
    """Gives every pixel of an image its numbers, such as a depth.

    Make one with `hrnet_tf.load` or `RegressionPredictor.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/rooms")
        answer = predictor.predict(image)  # uint8 RGB (height, width, 3)
        answer.of("depth")  # float32 (height, width)
        ```
    """

    in_graph = staticmethod(regressor)

    @property
    def channels(self) -> int:
        """A number a channel."""
        return len(self.manifest.channels)

    def in_original(self, seen: np.ndarray, factor: float) -> np.ndarray:
        """Undo what making the image larger has done to the numbers."""
        return seen / self.manifest.channels.enlarged(factor)

    def predict(self, image: ImageSource) -> DenseMap:
        """Find the numbers of one image's pixels: the mean of all views.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size; or a path or an
                address, see `hrnet_tf.open_image`.

        Raises:
            InputError: if the image has another shape or type.
        """
        return self.predict_several([image])[0]

    def predict_several(self, images: Sequence[ImageSource]) -> list[DenseMap]:
        """Find the numbers of several images; those of one size are seen together.

        Args and errors are those of `predict`.
        """
        sums = self.sums_of_views([self.opened(image) for image in images])
        scales = np.float32(len(self.manifest.views.scales))
        names = self.manifest.channels.names
        return [DenseMap(total / scales, names) for total in sums]
