"""Segments for training: read as a map, cut out with their images."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hrnet_tf.tasks.dense.augment import Cut, cut_nearest
from hrnet_tf.tasks.dense.pipeline import PairReader
from hrnet_tf.tasks.panoptic.coco_panoptic import PanopticImages, read_segments
from hrnet_tf.tasks.panoptic.segments import VOID


@dataclass
class SegmentReader(PairReader):
    """Reads images and segments, int32 `(height, width)`; see `segments`.

    See `PairReader`.

    Example:
        ```python
        section = PanopticSection(root="scenes")
        training, validation = open_panoptic(section)
        image, segments = SegmentReader(validation, section).read(0)
        ```
    """

    what: ClassVar[str] = "PNG file of segments"

    images: PanopticImages

    @cached_property
    def meaning(self) -> bytes:  # type: ignore[override]
        """What the ids in all files stand for."""
        found = hashlib.sha256()
        for path, table in sorted(self.images.tables.items()):
            found.update(path.encode() + table.ids.tobytes() + table.values.tobytes())
        return found.digest()

    def blank(self, size: tuple[int, int]) -> np.ndarray:
        """Segments of which none counts."""
        return np.full(size, VOID, np.int32)

    def read_target(self, path: str) -> np.ndarray:
        """Read segments; see `read_segments`."""
        return read_segments(path, self.images.tables[path], self.section.reading)

    def cut_target(self, target: np.ndarray, cut: Cut, out: np.ndarray) -> None:
        """Cut segments out: the nearest one of each pixel."""
        cut_nearest(target, cut, out)
