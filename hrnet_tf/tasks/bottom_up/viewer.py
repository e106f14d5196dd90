"""Files to everyone in them: what is found, drawn and written."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.tasks.base.viewer import Viewer
from hrnet_tf.tasks.bottom_up.config import BottomUpEvaluate
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.bottom_up.result import PeoplePose
from hrnet_tf.tasks.keypoints.drawing import show_pose


class BottomUpViewer(Viewer):
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
        self.seen: list[tuple[np.ndarray, PeoplePose]] = []

    @property
    def together(self) -> int:
        """How many images `see` is given at once: as many as an evaluation."""
        return (self.settings or BottomUpEvaluate()).batch_size

    def see(self, images: Sequence[np.ndarray]) -> None:
        """Find everyone in several images: those of one size in one batch."""
        found = self.predictor.predict_several(images)
        self.seen = list(zip(images, found, strict=True))

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Find everyone; see `Viewer`."""
        known = [people for seen, people in self.seen if seen is image]
        people = known[0] if known else self.predictor.predict(image)
        self.entries.extend(people.to_coco(image_id))
        return show_pose(image, people, self.threshold, scores=self.scores)

    def count(self) -> str:
        """How many people."""
        return f"{len(self.entries) or 'no'} people"
