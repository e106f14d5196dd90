"""Files to segments: what is found, drawn and written."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.files import write_bytes
from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.panoptic.coco_panoptic import encode_ids
from hrnet_tf.tasks.panoptic.drawing import draw_panoptic
from hrnet_tf.tasks.panoptic.predictor import PanopticPredictor
from hrnet_tf.tasks.panoptic.result import PanopticMap

LINES = 2  # of the legend in every frame of a video


class SegmentsViewer(FindingViewer):
    """Finds segments; the entries are the `annotations` of COCO's panoptic format.

    Args:
        predictor: finds them.
    """

    file_name = "panoptic.json"
    predictor: PanopticPredictor

    def __init__(self, predictor: PanopticPredictor, *, settings: Any = None):
        super().__init__(predictor, settings=settings)
        self._frames = False

    def look_ahead(self, images: Iterable[np.ndarray], frames: bool) -> None:
        """Remember whether all pictures must have one size; see `Viewer`."""
        self._frames = frames

    def find(self, shown: Sequence[Shown]) -> list[PanopticMap]:
        """Find the segments of several images: those of one size together."""
        return self.predictor.predict_several([each.image for each in shown])

    def note(self, shown: Shown, found: PanopticMap) -> None:
        """See `FindingViewer`."""
        entry = {
            "image_id": shown.image_id,
            "file_name": f"{Path(shown.name).stem}.png",
            "segments_info": found.segments_info(),
        }
        self.entries.append(entry)

    def draw(self, image: np.ndarray, found: PanopticMap) -> np.ndarray:
        """See `FindingViewer`."""
        return draw_panoptic(image, found, lines=LINES if self._frames else None)

    def count(self) -> str:
        """How many segments."""
        return f"{sum(len(entry['segments_info']) for entry in self.entries)} segments"

    def write_found(self, folder: Path, stem: str, found: PanopticMap) -> None:
        """Write the ids of segments as a PNG file, at the size of the image."""
        write_bytes(folder / "panoptic" / f"{stem}.png", encode_ids(found.ids()))
