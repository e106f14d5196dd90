"""Files to numbers of pixels: what is found, drawn and written."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.files import writing
from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.regression.channels import robust_spans
from hrnet_tf.tasks.regression.drawing import as_text, draw_map
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.regression.result import DenseMap


class MapViewer(FindingViewer):
    """Finds numbers of pixels; the entries hold their range and mean, by channel.

    Args:
        predictor: gives the numbers.
    """

    file_name = "values.json"

    def __init__(self, predictor: RegressionPredictor, *, settings: Any = None):
        super().__init__(predictor, settings=settings)
        self.spans = predictor.manifest.spans
        self._source = "the training data"

    def look_ahead(self, images: Iterable[np.ndarray], frames: bool) -> None:
        """Choose the colours' span for all images, if the manifest holds none."""
        if not self.spans:
            found = (self.predictor.predict(image).values for image in images)
            channels = len(self.predictor.manifest.channels)
            self.spans = robust_spans(found, channels)
            self._source = "a look at some of the images"

    def find(self, shown: Sequence[Shown]) -> list[DenseMap]:
        """Find the numbers of several images: those of one size together."""
        return self.predictor.predict_several([each.image for each in shown])

    def note(self, shown: Shown, found: DenseMap) -> None:
        """See `FindingViewer`."""
        values, name = found.statistics(), shown.name
        entry = {"file_name": name, "image_id": shown.image_id, "values": values}
        self.entries.append(entry)

    def draw(self, image: np.ndarray, found: DenseMap) -> np.ndarray:
        """See `FindingViewer`."""
        titles = self.predictor.manifest.channels.titles
        return draw_map(image, found, self.spans or None, titles)

    def count(self) -> str:
        """From where to where the numbers of each channel go."""
        if not self.entries:
            return "nothing"
        parts, spans = [], []
        for index, name in enumerate(self.predictor.manifest.channels.names):
            found = [entry["values"][name] for entry in self.entries]
            low, high = min(f["min"] for f in found), max(f["max"] for f in found)
            parts.append(f"{name} from {as_text(low)} to {as_text(high)}")
            if self.spans:
                first, last = self.spans[index]
                spans.append(f"{as_text(first)} to {as_text(last)}")
        colors = f" (colours from {', '.join(spans)}, by {self._source})"
        return ", ".join(parts) + (colors if spans else "")

    def write_found(self, folder: Path, stem: str, found: DenseMap) -> None:
        """Write the numbers, `.npy`, at the size of the image."""
        with writing(folder / "values" / f"{stem}.npy") as partial:
            np.save(partial, found.values)
