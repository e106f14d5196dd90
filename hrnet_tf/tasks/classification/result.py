"""What an image shows: typed values."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Classification:
    """What an image shows.

    Attributes:
        probabilities: float32 `(classes,)`, 0 to 1, together 1.
        classes: their names.

    Raises:
        ValueError: if the numbers do not agree.

    Example:
        ```python
        answer = predictor.predict(image)
        answer.label, answer.top(2)  # "waving", [("waving", 0.98), ("jumping", 0.01)]
        ```
    """

    probabilities: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self):
        if self.probabilities.shape != (len(self.classes),):
            raise ValueError(
                f"`probabilities` must be ({len(self.classes)},), got "
                f"{self.probabilities.shape}."
            )

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.classes[int(self.probabilities.argmax())]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, the likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[i], float(self.probabilities[i])) for i in order]
