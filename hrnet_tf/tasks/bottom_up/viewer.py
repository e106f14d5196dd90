"""Files to everyone in them: what is found, drawn and written."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.bottom_up.config import BottomUpEvaluate
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.bottom_up.result import PeoplePose
from hrnet_tf.tasks.keypoints.drawing import show_pose


class BottomUpViewer(FindingViewer):
    """Finds everyone; the entries are those of a COCO result file.

    Args:
        predictor: finds them.
        threshold: keypoints with a lower score are not drawn.
        settings: a configuration's `evaluate`, whose `batch_size` counts; None: the
            defaults. What else is set the predictor has.
        scores: whether to write how sure each person is into the picture.
    """

    file_name = "keypoints.json"
    predictor: BottomUpPredictor

    def __init__(
        self,
        predictor: BottomUpPredictor,
        threshold: float = 0.2,
        *,
        settings: BottomUpEvaluate | None = None,
        scores: bool = False,
    ):
        super().__init__(predictor, settings=settings)
        self.threshold = threshold
        self.scores = scores

    @property
    def together(self) -> int:
        """How many images `find` is given at once: as many as an evaluation."""
        return (self.settings or BottomUpEvaluate()).batch_size

    def find(self, shown: Sequence[Shown]) -> list[PeoplePose]:
        """Find everyone in several images: those of one size in one batch."""
        return self.predictor.predict_several([each.image for each in shown])

    def note(self, shown: Shown, found: PeoplePose) -> None:
        """See `FindingViewer`."""
        self.entries.extend(found.to_coco(shown.image_id))

    def draw(self, image: np.ndarray, found: PeoplePose) -> np.ndarray:
        """See `FindingViewer`."""
        return show_pose(image, found, self.threshold, scores=self.scores)

    def count(self) -> str:
        """How many people."""
        return f"{len(self.entries) or 'no'} people"
