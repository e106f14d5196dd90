"""People to cut out of images, in columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class People:
    """Samples of top-down pose: one row a person.

    Attributes:
        files: `(n,)`, path of each person's image.
        image_ids: int64 `(n,)`.
        sources: `(n,)`, what to call each sample in messages, such as `annotation 12`.
        image_sizes: int64 `(n, 2)`, height and width as annotated.
        boxes: float64 `(n, 4)`, x, y, width, height in image pixels.
        scores: float64 `(n,)`, of the boxes; 1 for annotated ones.
        keypoints: float64 `(n, keypoints, 3)`, x, y in image pixels and weight (0: not
            annotated); all zero for detected boxes.
    """

    files: np.ndarray
    image_ids: np.ndarray
    sources: np.ndarray
    image_sizes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    keypoints: np.ndarray

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> "People":
        """People by the names of the columns, at least one."""
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        texts = {name: np.array(columns.pop(name)) for name in ("files", "sources")}
        integers = {
            name: np.array(columns.pop(name), np.int64)
            for name in ("image_ids", "image_sizes")
        }
        numbers = {name: np.array(each, np.float64) for name, each in columns.items()}
        return cls(**texts, **integers, **numbers)

    @classmethod
    def whole_images(
        cls,
        files: Sequence[str],
        image_ids: Sequence[int],
        sources: Sequence[str],
        image_sizes: Sequence[tuple[int, int]],
    ) -> "People":
        """Images that are looked at as a whole: boxes that fill them, no keypoints.

        Args:
            files: path of each image.
            image_ids: of each image.
            sources: what to call each image in messages.
            image_sizes: height and width of each image.
        """
        sizes = np.array(image_sizes, np.int64).reshape(-1, 2)
        zeros = np.zeros_like(sizes)
        return cls(
            np.array(files),
            np.array(image_ids, np.int64),
            np.array(sources),
            sizes,
            np.concatenate([zeros, sizes[:, ::-1]], axis=1).astype(np.float64),
            np.ones(len(sizes)),
            np.zeros((len(sizes), 0, 3)),
        )

    def __len__(self) -> int:
        return len(self.files)

    def take(self, index: np.ndarray) -> "People":
        """These rows, in this order."""
        return People(**{name: column[index] for name, column in vars(self).items()})
