"""Files to faces: what is found, drawn and written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.base.finding_viewer import Shown
from hrnet_tf.tasks.base.viewer import check_finite
from hrnet_tf.tasks.keypoints.boxed_viewer import BoxedViewer
from hrnet_tf.tasks.landmarks.config import LandmarkEvaluate
from hrnet_tf.tasks.landmarks.drawing import show_landmarks
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor
from hrnet_tf.tasks.landmarks.result import FaceLandmarks


class LandmarkViewer(BoxedViewer):
    """Finds landmarks of faces; the entries are those of a COCO result file.

    Args:
        predictor: finds the landmarks.
        boxes: which faces to look at, a file of COCO results; None: one that fills the
            image.
        threshold: landmarks with a lower score are not drawn.
        annotations: a COCO file that says the images' ids and sizes, and the faces'
            category; None: the category is 1.
        box_threshold: boxes with a lower score are left out.
        settings: a configuration's `evaluate`; the predictor has obeyed it.

    Raises:
        InputError: if a file cannot be read.
    """

    file_name = "landmarks.json"

    def __init__(
        self,
        predictor: LandmarkPredictor | BehindDetector,
        boxes: str | Path | None = None,
        threshold: float = 0.2,
        *,
        annotations: str | Path | None = None,
        box_threshold: float = 0.0,
        settings: LandmarkEvaluate | None = None,
    ):
        super().__init__(
            predictor,
            predictor.manifest.landmarks,
            boxes,
            threshold,
            annotations=annotations,
            box_threshold=box_threshold,
            settings=settings,
        )

    def find(self, shown: Sequence[Shown]) -> list[FaceLandmarks]:
        """Find the landmarks of the faces in several images."""
        every: list[FaceLandmarks] = self.look_into_boxes(shown)
        for found in every:
            check_finite(found.scores, found.landmarks)
        return every

    def note(self, shown: Shown, found: FaceLandmarks) -> None:
        """See `FindingViewer`."""
        self.entries.extend(found.to_coco(shown.image_id, self.category))

    def draw(self, image: np.ndarray, found: FaceLandmarks) -> np.ndarray:
        """See `FindingViewer`."""
        return show_landmarks(image, found, self.threshold, self.detected)

    def count(self) -> str:
        """How many faces."""
        return f"{len(self.entries) or 'no'} faces"
