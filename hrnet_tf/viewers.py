"""What differs between tasks when files are looked at: what is found and drawn."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hrnet_tf.predictors.classification import ImageClassifier
from hrnet_tf.predictors.regression import RegressionPredictor
from hrnet_tf.predictors.segmentation import SegmentationPredictor
from hrnet_tf.results import DenseMap, LabelMap
from hrnet_tf.visualize import draw_label, draw_labels, draw_map, write_labels


class Viewer(ABC):
    """Looks at images: what differs between tasks.

    Attributes:
        entries: what it has found, for a JSON file.
        file_name: of that file.
    """

    file_name: ClassVar[str]

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    @abstractmethod
    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Look at an image, uint8 RGB; gives it with the findings drawn on it."""

    @abstractmethod
    def count(self) -> str:
        """How much was found, in words."""

    def write_more(self, folder: Path, stem: str) -> None:  # noqa: B027  (most do not)
        """Write what else is known of the last image, under names that begin so."""


class ClassViewer(Viewer):
    """Classifies images; the entries hold the five likeliest classes."""

    file_name = "classes.json"

    def __init__(self, predictor: ImageClassifier):
        super().__init__()
        self.predictor = predictor

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Classify; see `Viewer`."""
        answer = self.predictor.predict(image)
        top = [{"class": label, "probability": p} for label, p in answer.top(5)]
        self.entries.append({"file_name": name, "image_id": image_id, "classes": top})
        return draw_label(image, f"{answer.label} {answer.probabilities.max():.2f}")

    def count(self) -> str:
        """How many different classes."""
        found = {entry["classes"][0]["class"] for entry in self.entries}
        return f"{len(found)} classes"


class SegmentViewer(Viewer):
    """Labels pixels; the entries hold each class's share of the image.

    Args:
        predictor: labels images.
    """

    file_name = "shares.json"

    def __init__(self, predictor: SegmentationPredictor):
        super().__init__()
        self.predictor = predictor
        self._last: LabelMap | None = None

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Label pixels; see `Viewer`."""
        answer = self.predictor.predict(image)
        self._last = answer
        shares = answer.shares()
        self.entries.append({"file_name": name, "image_id": image_id, "shares": shares})
        return draw_labels(image, answer)

    def count(self) -> str:
        """How many different classes."""
        return f"{len({name for e in self.entries for name in e['shares']})} classes"

    def write_more(self, folder: Path, stem: str) -> None:
        """Write the labels as a PNG with a palette, at the size of the image."""
        if self._last is not None:
            target = folder / "masks" / f"{stem}.png"
            write_labels(target, self._last.labels, self._last.classes)


class MapViewer(Viewer):
    """Finds numbers of pixels; the entries hold their range and mean, by channel.

    Args:
        predictor: gives the numbers.
    """

    file_name = "values.json"

    def __init__(self, predictor: RegressionPredictor):
        super().__init__()
        self.predictor = predictor
        self._last: DenseMap | None = None

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Find numbers; see `Viewer`."""
        answer = self.predictor.predict(image)
        self._last = answer
        found = answer.statistics()
        self.entries.append({"file_name": name, "image_id": image_id, "values": found})
        return draw_map(image, answer)

    def count(self) -> str:
        """From where to where the numbers of each channel go."""
        parts = []
        for name in self.predictor.manifest.channels.names:
            found = [entry["values"][name] for entry in self.entries]
            low, high = min(f["min"] for f in found), max(f["max"] for f in found)
            parts.append(f"{name} from {low:.3g} to {high:.3g}")
        return ", ".join(parts)

    def write_more(self, folder: Path, stem: str) -> None:
        """Write the numbers, `.npy`, at the size of the image."""
        if self._last is not None:
            target = folder / "values" / f"{stem}.npy"
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, self._last.values)
