"""What each pixel of an image shows: typed values."""

from dataclasses import dataclass

import numpy as np

from hrnet_tf.tasks.segmentation.classes import ClassSet


@dataclass(frozen=True)
class LabelMap:
    """What each pixel of an image shows.

    Attributes:
        labels: uint8 `(height, width)`, indices of `classes.names`.
        confidence: float32 `(height, width)`, probability of that class, 0 to 1.
        classes: what labels mean.

    Raises:
        ValueError: if the shapes do not agree.

    Example:
        ```python
        answer = predictor.predict(image)
        answer.shares()  # {"background": 0.8, "person": 0.2}
        ```
    """

    labels: np.ndarray
    confidence: np.ndarray
    classes: ClassSet

    def __post_init__(self):
        if self.labels.ndim != 2 or self.confidence.shape != self.labels.shape:
            raise ValueError(
                "`labels` and `confidence` must be (height, width), got "
                f"{self.labels.shape} and {self.confidence.shape}."
            )

    def shares(self) -> dict[str, float]:
        """The share of the image of every class that occurs, the largest first."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        return {
            self.classes.names[index]: float(counts[index] / self.labels.size)
            for index in np.argsort(-counts, kind="stable")
            if counts[index]
        }
