"""People to cut out of images, in columns."""

from dataclasses import dataclass

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

    def __len__(self) -> int:
        return len(self.files)

    def take(self, index: np.ndarray) -> "People":
        """These rows, in this order."""
        return People(**{name: column[index] for name, column in vars(self).items()})
