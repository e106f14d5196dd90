"""Images and boxes to faces: crop, network, decoding, back to image pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hrnet_tf.images.boxes import SMALLEST
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.keypoints import boxed_predictor
from hrnet_tf.tasks.keypoints.boxed_predictor import BoxedPredictor
from hrnet_tf.tasks.keypoints.heatmaps import flip_back
from hrnet_tf.tasks.landmarks.geometry import UNIT, Views, upright
from hrnet_tf.tasks.landmarks.manifest import LandmarkManifest
from hrnet_tf.tasks.landmarks.pipeline import Cutter
from hrnet_tf.tasks.landmarks.result import FaceLandmarks


def locator(network: Network, manifest: LandmarkManifest) -> Callable:
    """All that happens to crops in a graph: normalise, network, flip, decode.

    Args:
        network: normalised images to heatmaps.
        manifest: what the network takes and how its heatmaps are read.

    Returns:
        A function of RGB crops `(n, height, width, 3)`, 0..255, to cells `(n, k, 2)`
        and scores `(n, k)`.
    """
    mirror = manifest.landmarks.mirror
    return boxed_predictor.locator(
        network, manifest, lambda heatmaps: flip_back(heatmaps, mirror)
    )


class LandmarkPredictor(BoxedPredictor[FaceLandmarks]):
    """Finds the landmarks of faces in images.

    Make one with `hrnet_tf.load` or `LandmarkPredictor.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/faces")
        found = predictor.predict(image)  # uint8 RGB (height, width, 3), one face
        found = predictor.predict(image, boxes=[[20, 30, 80, 80]])
        found.landmarks  # (1, 98, 2), in pixels of the image
        ```
    """

    in_graph = staticmethod(locator)

    def predict(
        self, image: ImageSource, boxes: Any = None, box_scores: Any = None
    ) -> FaceLandmarks:
        """Find the landmarks of faces in one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`; or a path or an address, see
                `hrnet_tf.open_image`.
            boxes: `(faces, 4)`, x, y, width, height in image pixels, by the rule of
                `hrnet_tf.images.boxes`; None: one face that fills the image.
            box_scores: `(faces,)`, confidence in the boxes; None: 1.

        Returns:
            The faces, in the order of the boxes, in pixels of the image.

        Raises:
            InputError: if the image or the boxes have another shape or type, or a box
                is not finite, has no area, or lies outside the image or far beyond it.
        """
        return self.predict_several([image], [boxes], [box_scores])[0]

    @property
    def count(self) -> int:
        """See `BoxedPredictor`."""
        return len(self.manifest.landmarks)

    def named(
        self,
        points: np.ndarray,
        scores: np.ndarray,
        boxes: np.ndarray,
        box_scores: np.ndarray,
    ) -> FaceLandmarks:
        """See `BoxedPredictor`."""
        names = self.manifest.landmarks
        return FaceLandmarks(points, scores, boxes, box_scores, names)

    def views(self, boxes: np.ndarray) -> Views:
        """How faces in boxes `(n, 4)` are looked at."""
        centers = boxes[:, :2] + boxes[:, 2:] / 2
        sides = np.maximum(boxes[:, 2:].max(axis=1), SMALLEST)
        return upright(centers, sides / UNIT, self.manifest.decoding.padding)

    def crops(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """See `BoxedPredictor`."""
        views = self.views(boxes)
        cutter = Cutter(self.manifest.geometry, self.manifest.decoding.stretched_twice)
        rows = np.arange(len(views))
        return np.stack([cutter.cut(image, views.take(rows[i : i + 1])) for i in rows])

    def to_image(self, cells: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """See `BoxedPredictor`."""
        return self.manifest.geometry.to_image(cells, self.views(boxes))
