"""Files to people: what is found, drawn and written."""

from pathlib import Path

import numpy as np

from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.base.viewer import check_finite
from hrnet_tf.tasks.keypoints.boxed_viewer import BoxedViewer
from hrnet_tf.tasks.keypoints.drawing import show_pose
from hrnet_tf.tasks.pose.config import EvaluateSection
from hrnet_tf.tasks.pose.predictor import PosePredictor, choose_people


class PoseViewer(BoxedViewer):
    """Finds people; the entries are those of a COCO result file.

    Args:
        predictor: finds the keypoints.
        boxes: whom to look at, a file of COCO results; None: one person who fills the
            image. People who are seen twice are left out, as evaluation does.
        threshold: keypoints with a lower score are not drawn.
        annotations: a COCO file that says the images' ids and sizes, and the people's
            category; None: the category is 1, as in COCO.
        box_threshold: boxes with a lower score are left out.
        settings: how people are scored and suppressed.
        scores: whether to write how sure each person is into the picture.

    Raises:
        InputError: if a file cannot be read.
    """

    file_name = "keypoints.json"

    def __init__(
        self,
        predictor: PosePredictor | BehindDetector,
        boxes: str | Path | None = None,
        threshold: float = 0.2,
        *,
        annotations: str | Path | None = None,
        box_threshold: float = 0.0,
        settings: EvaluateSection | None = None,
        scores: bool = False,
    ):
        super().__init__(
            predictor,
            predictor.manifest.keypoints,
            boxes,
            threshold,
            annotations=annotations,
            box_threshold=box_threshold,
            settings=settings or EvaluateSection(),
        )
        self.scores = scores

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Find people; see `Viewer`."""
        pose = self.predictor.predict(image, *self.boxes_of(name, image_id, image))
        check_finite(pose.scores, pose.keypoints)
        chosen, totals = choose_people(
            pose.keypoints,
            pose.scores,
            pose.boxes,
            pose.box_scores,
            self.predictor.manifest,
            self.settings,
        )
        chosen = np.sort(chosen)
        pose = pose.take(chosen)
        self.entries.extend(pose.to_coco(image_id, self.category, totals[chosen]))
        return show_pose(image, pose, self.threshold, self.detected, self.scores)

    def count(self) -> str:
        """How many people."""
        return f"{len(self.entries) or 'no'} people"
