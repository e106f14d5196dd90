"""Images with the objects that are annotated in them, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hrnet_tf.data.problems import Policy
from hrnet_tf.tasks.keypoints.people import People


@dataclass(frozen=True)
class Objects:
    """Whole images, one row each, with the objects in them.

    Attributes:
        images: what a `CropReader` takes, with the whole image as each box.
        boxes: of each image float64 `(objects, 4)`: x1, y1, x2, y2 in its pixels; they
            may reach beyond it.
        labels: of each image int64 `(objects,)`, indices of the classes.
        crowds: of each image bool `(objects,)`: which stand for many objects.
        outlines: of each image COCO's `segmentation` of each object; None where there
            is none.
    """

    images: People
    boxes: list[np.ndarray]
    labels: list[np.ndarray]
    crowds: list[np.ndarray]
    outlines: list[list[Any]]

    def __len__(self) -> int:
        return len(self.images)


@dataclass
class ObjectRow:
    """An image that is being read.

    Attributes:
        file: its path.
        number: its id.
        source: what to call it in messages.
        size: height and width.
        boxes: of its objects, x1, y1, x2, y2.
        labels: of its objects.
        crowds: which of them stand for many.
        outlines: of its objects.
    """

    file: str
    number: int
    source: str
    size: tuple[int, int]
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    crowds: list[bool] = field(default_factory=list)
    outlines: list[Any] = field(default_factory=list)

    def add(
        self,
        box: tuple[float, float, float, float],
        label: int,
        crowd: bool = False,
        outline: Any = None,
    ) -> None:
        """Add an object; `box` is x, y, width, height."""
        x, y, width, height = box
        self.boxes.append((x, y, x + width, y + height))
        self.labels.append(label)
        self.crowds.append(crowd)
        self.outlines.append(outline)


def as_objects(rows: Sequence[ObjectRow]) -> Objects:
    """Rows as columns."""
    images = People.whole_images(
        [row.file for row in rows],
        [row.number for row in rows],
        [row.source for row in rows],
        [row.size for row in rows],
    )
    return Objects(
        images,
        [np.array(row.boxes, np.float64).reshape(-1, 4) for row in rows],
        [np.array(row.labels, np.int64) for row in rows],
        [np.array(row.crowds, bool) for row in rows],
        [row.outlines for row in rows],
    )


@dataclass(frozen=True)
class Wanted:
    """What readers take of annotations.

    Attributes:
        masks: whether each object must have an outline.
        training: whether to learn from them: what can teach nothing is left out then.
        empty: whether images without objects are learnt from too.
        on_error: what to do about broken samples.
    """

    masks: bool = False
    training: bool = False
    empty: bool = False
    on_error: Policy = "stop"
