"""Files to people: what is found, drawn and written."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.base.finding_viewer import Shown
from hrnet_tf.tasks.base.viewer import check_finite
from hrnet_tf.tasks.keypoints.boxed_viewer import BoxedViewer
from hrnet_tf.tasks.keypoints.drawing import show_pose
from hrnet_tf.tasks.keypoints.result import Pose
from hrnet_tf.tasks.pose.config import EvaluateSection
from hrnet_tf.tasks.pose.predictor import PosePredictor, choose_people


class Reported(NamedTuple):
    """People who are reported of an image.

    Attributes:
        pose: of them.
        totals: float `(people,)`, how sure each one is.
    """

    pose: Pose
    totals: np.ndarray


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

    def find(self, shown: Sequence[Shown]) -> list[Reported]:
        """Find the people in several images; those seen twice are left out."""
        return [self._reported(pose) for pose in self.look_into_boxes(shown)]

    def _reported(self, pose: Pose) -> Reported:
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
        return Reported(pose.take(chosen), totals[chosen])

    def note(self, shown: Shown, found: Reported) -> None:
        """See `FindingViewer`."""
        entries = found.pose.to_coco(shown.image_id, self.category, found.totals)
        self.entries.extend(entries)

    def draw(self, image: np.ndarray, found: Reported) -> np.ndarray:
        """See `FindingViewer`."""
        return show_pose(image, found.pose, self.threshold, self.detected, self.scores)

    def count(self) -> str:
        """How many people."""
        return f"{len(self.entries) or 'no'} people"
