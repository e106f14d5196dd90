"""What is found in an image: typed values in its pixels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pycocotools import mask as run_lengths

from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.pasting import paste


@dataclass(frozen=True)
class FoundObjects:
    """Objects found in one image, best first.

    Attributes:
        boxes: float32 `(objects, 4)`: x, y, width, height in pixels of the image.
        scores: float32 `(objects,)`, how sure each one is, 0 to 1.
        labels: int64 `(objects,)`, indices of `classes.names`.
        classes: what labels mean.
        size: height and width of the image.
        maps: float32 `(objects, 28, 28)`, how likely each part of a box belongs to the
            object, 0 to 1; None: masks are not looked for.

    Raises:
        ValueError: if the shapes do not agree.

    Example:
        ```python
        found = predictor.predict(image)
        found.names[0], found.scores[0], found.boxes[0]  # "person", 0.97, [x, y, w, h]
        people = found.of_class("person").boxes
        found.mask(0)  # bool, of the image's height and width
        ```
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    classes: ObjectClasses
    size: tuple[int, int]
    maps: np.ndarray | None = None

    def __post_init__(self):
        count = len(self.boxes)
        lengths = {"scores": self.scores.shape, "labels": self.labels.shape}
        for name, shape in lengths.items():
            if shape != (count,):
                raise ValueError(f"`{name}` must be ({count},), got {shape}.")
        if self.boxes.shape != (count, 4):
            raise ValueError(f"`boxes` must be (n, 4), got {self.boxes.shape}.")
        if self.maps is not None and (len(self.maps) != count or self.maps.ndim != 3):
            raise ValueError(
                f"`maps` must be ({count}, side, side), got {self.maps.shape}."
            )

    def __len__(self) -> int:
        return len(self.boxes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The class of each object."""
        return tuple(self.classes.names[label] for label in self.labels)

    def mask(self, index: int) -> np.ndarray:
        """The pixels of an object, bool `(height, width)`.

        Raises:
            ValueError: if masks are not looked for.
        """
        if self.maps is None:
            raise ValueError("The model finds boxes alone, no masks.")
        return paste(self.maps[index], self.boxes[index], self.size)

    def take(self, chosen: np.ndarray) -> "FoundObjects":
        """Some of the objects.

        Args:
            chosen: indices, or bool `(objects,)`.
        """
        maps = None if self.maps is None else self.maps[chosen]
        return FoundObjects(
            self.boxes[chosen],
            self.scores[chosen],
            self.labels[chosen],
            self.classes,
            self.size,
            maps,
        )

    def above(self, score: float) -> "FoundObjects":
        """Those that are at least so sure."""
        return self.take(self.scores >= score)

    def of_class(self, name: str) -> "FoundObjects":
        """Those of a class.

        Raises:
            ValueError: if there is no such class.
        """
        if name not in self.classes.names:
            raise ValueError(
                f"There is no class {name!r} in {self.classes.name}; its classes are "
                f"{', '.join(self.classes.names[:10])}, ..."
            )
        return self.take(self.labels == self.classes.names.index(name))

    def to_coco(self, image_id: int | str) -> list[dict[str, Any]]:
        """Entries of a COCO result file; with masks as run lengths, where there are."""
        ids = self.classes.category_ids
        entries = []
        for index in range(len(self)):
            entry: dict[str, Any] = {
                "image_id": image_id,
                "category_id": ids[int(self.labels[index])],
                "bbox": [round(float(value), 3) for value in self.boxes[index]],
                "score": float(self.scores[index]),
            }
            if self.maps is not None:
                pixels = self.mask(index).astype(np.uint8)
                encoded = run_lengths.encode(np.asfortranarray(pixels))
                entry["segmentation"] = {
                    "size": list(self.size),
                    "counts": encoded["counts"].decode(),
                }
            entries.append(entry)
        return entries
