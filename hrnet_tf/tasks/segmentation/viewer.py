"""Files to labels of pixels: what is found, drawn and written."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.tasks.base.viewer import Viewer
from hrnet_tf.tasks.segmentation.drawing import draw_labels, write_labels
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor
from hrnet_tf.tasks.segmentation.result import LabelMap

LINES = 2  # of the legend in every frame of a video


class SegmentViewer(Viewer):
    """Labels pixels; the entries hold each class's share of the image.

    Args:
        predictor: labels images.
    """

    file_name = "shares.json"

    def __init__(self, predictor: SegmentationPredictor, *, settings: Any = None):
        super().__init__(predictor, settings=settings)
        self._last: LabelMap | None = None
        self._frames = False

    def look_ahead(self, images: Iterable[np.ndarray], frames: bool) -> None:
        """Remember whether all pictures must have one size; see `Viewer`."""
        self._frames = frames

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Label pixels; see `Viewer`."""
        answer = self.predictor.predict(image)
        self._last = answer
        shares = answer.shares()
        self.entries.append({"file_name": name, "image_id": image_id, "shares": shares})
        return draw_labels(image, answer, lines=LINES if self._frames else None)

    def count(self) -> str:
        """How many different classes."""
        return f"{len({name for e in self.entries for name in e['shares']})} classes"

    def write_more(self, folder: Path, stem: str) -> None:
        """Write the labels as a PNG with a palette, at the size of the image."""
        if self._last is not None:
            target = folder / "masks" / f"{stem}.png"
            write_labels(target, self._last.labels, self._last.classes)
