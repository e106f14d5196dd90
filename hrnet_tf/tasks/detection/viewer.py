"""Files to the objects in them: what is found, drawn and written."""

import numpy as np

from hrnet_tf.tasks.base.viewer import Viewer
from hrnet_tf.tasks.detection.config import DetectionEvaluate
from hrnet_tf.tasks.detection.drawing import show_objects
from hrnet_tf.tasks.detection.predictor import DetectionPredictor


class DetectionViewer(Viewer):
    """Finds objects; the entries are those of a COCO result file.

    Args:
        predictor: finds them.
        object_threshold: objects with a lower score are not drawn.
        settings: a configuration's `evaluate`; not needed, the predictor has it.
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

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Find the objects; see `Viewer`."""
        found = self.predictor.predict(image)
        self.entries.extend(found.to_coco(image_id))
        drawn = found.above(self.threshold)
        self.sure += len(drawn)
        return show_objects(image, drawn)

    def count(self) -> str:
        """How many objects."""
        found = len(self.entries)
        return (
            f"{self.sure or 'no'} objects with a score of at least {self.threshold:g} "
            f"({found} with any)"
        )
