"""Images and boxes to people: crop, network, decoding, back to image pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.preprocess import crop_matrix, invert, transform, warp
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.keypoints import boxed_predictor
from hrnet_tf.tasks.keypoints.boxed_predictor import BoxedPredictor
from hrnet_tf.tasks.keypoints.coco_scores import (
    person_scores,
    suppress,
    suppress_softly,
)
from hrnet_tf.tasks.keypoints.heatmaps import flip_back
from hrnet_tf.tasks.keypoints.result import Pose
from hrnet_tf.tasks.pose.config import EvaluateSection
from hrnet_tf.tasks.pose.manifest import PoseManifest


def locator(network: Network, manifest: PoseManifest) -> Callable:
    """All that happens to crops in a graph: normalise, network, flip, decode.

    Args:
        network: normalised images to heatmaps.
        manifest: what the network takes and how its heatmaps are read.

    Returns:
        A function of RGB crops `(n, height, width, 3)`, 0..255, to cells `(n, k, 2)`
        and scores `(n, k)`.
    """
    decoding, mirror = manifest.decoding, manifest.keypoints.mirror

    def turn_back(heatmaps: tf.Tensor) -> tf.Tensor:
        return flip_back(heatmaps, mirror, decoding.shift, decoding.encoding)

    return boxed_predictor.locator(network, manifest, turn_back)


class PosePredictor(BoxedPredictor[Pose]):
    """Finds the keypoints of people in images.

    Make one with `hrnet_tf.load` or `PosePredictor.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/demo")
        pose = predictor.predict(image)                 # uint8 RGB (height, width, 3)
        pose = predictor.predict(image, boxes=[[20, 30, 80, 160]])
        ```
    """

    in_graph = staticmethod(locator)

    def predict(
        self, image: ImageSource, boxes: Any = None, box_scores: Any = None
    ) -> Pose:
        """Find the keypoints of people in one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`; or a path or an address, see
                `hrnet_tf.open_image`.
            boxes: `(people, 4)`, x, y, width, height in image pixels, by the rule of
                `hrnet_tf.images.boxes`; None: one person who fills the image.
            box_scores: `(people,)`, confidence in the boxes; None: 1.

        Returns:
            The people, in the order of the boxes, in pixels of the image.

        Raises:
            InputError: if the image or the boxes have another shape or type, or a box
                is not finite, has no area, or lies outside the image or far beyond it.
        """
        return self.predict_several([image], [boxes], [box_scores])[0]

    @property
    def count(self) -> int:
        """See `BoxedPredictor`."""
        return len(self.manifest.keypoints)

    def named(
        self,
        points: np.ndarray,
        scores: np.ndarray,
        boxes: np.ndarray,
        box_scores: np.ndarray,
    ) -> Pose:
        """See `BoxedPredictor`."""
        names = self.manifest.keypoints
        return Pose(points, scores, boxes, box_scores, names)

    def crops(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """See `BoxedPredictor`."""
        size = self.manifest.input.size
        matrices = self._matrices(boxes, size)
        return np.stack([warp(image, matrix, size) for matrix in matrices])

    def to_image(self, cells: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """See `BoxedPredictor`."""
        return transform(
            cells, invert(self._matrices(boxes, self.manifest.output.size))
        )

    def _matrices(self, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        centers, widths = self.manifest.crops_of(boxes)
        unbiased = self.manifest.codec.unbiased
        return crop_matrix(centers, widths, 0.0, size, unbiased)


def choose_people(
    keypoints: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    box_scores: np.ndarray,
    manifest: PoseManifest,
    settings: EvaluateSection,
) -> tuple[np.ndarray, np.ndarray]:
    """Whom of one image to report: rescored, without those that are seen twice.

    Args:
        keypoints: `(n, k, 2)` in image pixels.
        scores: `(n, k)`.
        boxes: `(n, 4)`, x, y, width, height in image pixels.
        box_scores: `(n,)`.
        manifest: the keypoints' sigmas and the crops' shape.
        settings: thresholds.

    Returns:
        int64, the indices of those to report, and the scores of all, `(n,)`.
    """
    total = person_scores(box_scores, scores, settings.keypoint_threshold)
    height, width = manifest.input.size
    _, widths = manifest.crops_of(boxes)
    areas = widths * widths * height / width
    choose = suppress_softly if settings.soft_nms else suppress
    sigmas = manifest.keypoints.sigmas
    return choose(keypoints, total, areas, sigmas, settings.nms_threshold), total
