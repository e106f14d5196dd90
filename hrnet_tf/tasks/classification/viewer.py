"""Files to classes: what is found, drawn and written."""

import numpy as np

from hrnet_tf.tasks.base.viewer import Viewer
from hrnet_tf.tasks.classification.drawing import draw_classes


class ClassViewer(Viewer):
    """Classifies images; the entries hold the five likeliest classes."""

    file_name = "classes.json"

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Classify; see `Viewer`."""
        answer = self.predictor.predict(image)
        top = [{"class": label, "probability": p} for label, p in answer.top(5)]
        self.entries.append({"file_name": name, "image_id": image_id, "classes": top})
        return draw_classes(image, answer)

    def count(self) -> str:
        """How many different classes."""
        found = {entry["classes"][0]["class"] for entry in self.entries}
        return f"{len(found)} classes"
