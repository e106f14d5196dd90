"""What an image shows, segment by segment: typed values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hrnet_tf.tasks.panoptic.classes import PanopticClasses
from hrnet_tf.tasks.panoptic.segments import (
    DIVISOR,
    VOID,
    Segment,
    labels_of,
    list_segments,
    numbers_of,
)


@dataclass(frozen=True)
class PanopticMap:
    """The segments of an image: things, each by itself, and stuff.

    Attributes:
        segments: int32 `(height, width)`: `label * 1000 + number`; the number is 0 for
            stuff and 1 and more for things; 255000 where nothing is known.
        confidence: float32 `(height, width)`, probability of each pixel's likeliest
            class, 0 to 1.
        classes: what labels mean.

    Raises:
        ValueError: if the shapes do not agree.

    Example:
        ```python
        answer = predictor.predict(image)
        [(answer.classes.names[x.label], x.area) for x in answer.listed]
        answer.labels == answer.classes.names.index("person")  # bool (height, width)
        ```
    """

    segments: np.ndarray
    confidence: np.ndarray
    classes: PanopticClasses

    def __post_init__(self):
        if self.segments.ndim != 2 or self.confidence.shape != self.segments.shape:
            raise ValueError(
                "`segments` and `confidence` must be (height, width), got "
                f"{self.segments.shape} and {self.confidence.shape}."
            )

    @property
    def labels(self) -> np.ndarray:
        """uint8 `(height, width)`, indices of `classes.names`; 255: void."""
        return labels_of(self.segments)

    @property
    def numbers(self) -> np.ndarray:
        """int32 `(height, width)`, which thing of its class each pixel belongs to."""
        return numbers_of(self.segments)

    @cached_property
    def listed(self) -> list[Segment]:
        """The segments, class by class."""
        return list_segments(self.segments)

    def ids(self) -> np.ndarray:
        """int32 `(height, width)`, ids as in a PNG file of COCO's format; 0: void."""
        return np.where(self.segments == VOID, 0, self.segments + DIVISOR)

    def segments_info(self) -> list[dict[str, Any]]:
        """The segments as a JSON file of COCO's format lists them."""
        return [
            {
                "id": each.value + DIVISOR,
                "category_id": self.classes.file_ids[each.label],
                "area": each.area,
                "bbox": list(each.box),
                "iscrowd": 0,
            }
            for each in self.listed
        ]

    def counts(self) -> dict[str, int]:
        """How many segments there are of each class that occurs."""
        found: dict[str, int] = {}
        for each in self.listed:
            name = self.classes.names[each.label]
            found[name] = found.get(name, 0) + 1
        return found
