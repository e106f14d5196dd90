"""Files to the objects in them: what is found, drawn and written."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.detection.config import DetectionEvaluate
from hrnet_tf.tasks.detection.drawing import show_objects
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from hrnet_tf.tasks.detection.result import FoundObjects


class DetectionViewer(FindingViewer):
    """Finds objects; the entries are those of a COCO result file.

    Args:
        predictor: finds them.
        object_threshold: objects with a lower score are not drawn.
        settings: a configuration's `evaluate`, whose `batch_size` counts; None: the
            defaults. What else is set the predictor has.
    """

    file_name = "objects.json"
    predictor: DetectionPredictor

    def __init__(
        self,
        predictor: DetectionPredictor,
        object_threshold: float = 0.3,
        *,
        settings: DetectionEvaluate | None = None,
    ):
        super().__init__(predictor, settings=settings)
        self.threshold = object_threshold
        self.sure = 0

    @property
    def together(self) -> int:
        """How many images `find` is given at once: as many as an evaluation."""
        return (self.settings or DetectionEvaluate()).batch_size

    def find(self, shown: Sequence[Shown]) -> list[FoundObjects]:
        """Find the objects in several images: those of one padded size in one batch."""
        return self.predictor.predict_several([each.image for each in shown])

    def note(self, shown: Shown, found: FoundObjects) -> None:
        """See `FindingViewer`."""
        self.entries.extend(found.to_coco(shown.image_id))
        self.sure += len(found.above(self.threshold))

    def draw(self, image: np.ndarray, found: FoundObjects) -> np.ndarray:
        """See `FindingViewer`."""
        return show_objects(image, found.above(self.threshold))

    def count(self) -> str:
        """How many objects."""
        found = len(self.entries)
        return (
            f"{self.sure or 'no'} objects with a score of at least {self.threshold:g} "
            f"({found} with any)"
        )
