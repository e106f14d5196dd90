"""Images and boxes to faces: crop, network, decoding, back to image pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.boxes import SMALLEST, check_boxes, check_scores
from hrnet_tf.images.in_graph import CHUNK
from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Predictor
from hrnet_tf.tasks.landmarks.geometry import UNIT, Views, upright
from hrnet_tf.tasks.landmarks.manifest import LandmarkManifest
from hrnet_tf.tasks.landmarks.pipeline import Cutter
from hrnet_tf.tasks.landmarks.result import FaceLandmarks


def locator(
    network: Callable[[tf.Tensor], tf.Tensor], manifest: LandmarkManifest
) -> Callable:
    """All that happens to crops in a graph: normalise, network, flip, decode.

    Args:
        network: normalised images to heatmaps.
        manifest: what the network takes and how its heatmaps are read.

    Returns:
        A function of RGB crops `(n, height, width, 3)`, 0..255, to cells `(n, k, 2)`
        and scores `(n, k)`.
    """
    mirror = manifest.landmarks.mirror

    def locate(crops: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = preprocess_input(crops, manifest.input.mean, manifest.input.std)
        if not manifest.decoding.flip:
            return manifest.codec.decode(network(images))
        both = network(tf.concat([images, tf.reverse(images, [2])], axis=0))
        straight, mirrored = tf.split(both, 2)
        mirrored = tf.gather(tf.reverse(mirrored, [2]), mirror, axis=-1)
        return manifest.codec.decode((straight + mirrored) * 0.5)

    return locate


class LandmarkPredictor(Predictor):
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

    def locate(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crops, uint8 `(n, size, size, 3)`, to cells `(n, k, 2)` and scores."""
        return self.answer(crops)

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
        image = self.opened(image)
        height, width = image.shape[:2]
        whole = [[0, 0, width, height]]
        boxes = check_boxes(whole if boxes is None else boxes, width, height)
        count = len(boxes)
        box_scores = check_scores(
            np.ones(count) if box_scores is None else box_scores, count
        )
        number = len(self.manifest.landmarks)
        points, scores = np.zeros((0, number, 2)), np.zeros((0, number))
        if count:
            views = self.views(boxes)
            crops = self.crops(image, views)
            parts = [self.locate(crops[i : i + CHUNK]) for i in range(0, count, CHUNK)]
            cells, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
            points = self.manifest.geometry.to_image(cells, views)
        return FaceLandmarks(
            points.astype(np.float32),
            scores.astype(np.float32),
            boxes.astype(np.float32),
            box_scores.astype(np.float32),
            self.manifest.landmarks,
        )

    def views(self, boxes: np.ndarray) -> Views:
        """How faces in boxes `(n, 4)` are looked at."""
        centers = boxes[:, :2] + boxes[:, 2:] / 2
        sides = np.maximum(boxes[:, 2:].max(axis=1), SMALLEST)
        return upright(centers, sides / UNIT, self.manifest.decoding.padding)

    def crops(self, image: np.ndarray, views: Views) -> np.ndarray:
        """The crops that the network looks at, uint8 `(faces, size, size, 3)`."""
        cutter = Cutter(self.manifest.geometry, self.manifest.decoding.stretched_twice)
        rows = np.arange(len(views))
        return np.stack([cutter.cut(image, views.take(rows[i : i + 1])) for i in rows])
