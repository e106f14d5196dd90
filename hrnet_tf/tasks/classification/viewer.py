"""Files to classes: what is found, drawn and written."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.classification.drawing import draw_classes
from hrnet_tf.tasks.classification.result import Classification


class ClassViewer(FindingViewer):
    """Classifies images; the entries hold the five likeliest classes."""

    file_name = "classes.json"

    def find(self, shown: Sequence[Shown]) -> list[Classification]:
        """Classify several images in one batch."""
        return self.predictor.predict_several([each.image for each in shown])

    def note(self, shown: Shown, found: Classification) -> None:
        """See `FindingViewer`."""
        top = [{"class": label, "probability": p} for label, p in found.top(5)]
        name, image_id = shown.name, shown.image_id
        self.entries.append({"file_name": name, "image_id": image_id, "classes": top})

    def draw(self, image: np.ndarray, found: Classification) -> np.ndarray:
        """See `FindingViewer`."""
        return draw_classes(image, found)

    def count(self) -> str:
        """How many different classes."""
        found = {entry["classes"][0]["class"] for entry in self.entries}
        return f"{len(found)} classes"
