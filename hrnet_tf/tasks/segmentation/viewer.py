"""Files to labels of pixels: what is found, drawn and written."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.segmentation.drawing import draw_labels, write_labels
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor
from hrnet_tf.tasks.segmentation.result import LabelMap

LINES = 2  # of the legend in every frame of a video


class SegmentViewer(FindingViewer):
    """Labels pixels; the entries hold each class's share of the image.

    Args:
        predictor: labels images.
    """

    file_name = "shares.json"

    def __init__(self, predictor: SegmentationPredictor, *, settings: Any = None):
        super().__init__(predictor, settings=settings)
        self._frames = False

    def look_ahead(self, images: Iterable[np.ndarray], frames: bool) -> None:
        """Remember whether all pictures must have one size; see `Viewer`."""
        self._frames = frames

    def find(self, shown: Sequence[Shown]) -> list[LabelMap]:
        """Label the pixels of several images: those of one size together."""
        return self.predictor.predict_several([each.image for each in shown])

    def note(self, shown: Shown, found: LabelMap) -> None:
        """See `FindingViewer`."""
        shares, name = found.shares(), shown.name
        entry = {"file_name": name, "image_id": shown.image_id, "shares": shares}
        self.entries.append(entry)

    def draw(self, image: np.ndarray, found: LabelMap) -> np.ndarray:
        """See `FindingViewer`."""
        return draw_labels(image, found, lines=LINES if self._frames else None)

    def count(self) -> str:
        """How many different classes."""
        return f"{len({name for e in self.entries for name in e['shares']})} classes"

    def write_found(self, folder: Path, stem: str, found: LabelMap) -> None:
        """Write the labels as a PNG with a palette, at the size of the image."""
        write_labels(folder / "masks" / f"{stem}.png", found.labels, found.classes)
