"""Numbers of each pixel of an image: typed values."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DenseMap:
    """Numbers of each pixel of an image.

    Attributes:
        values: float32 `(height, width, channels)`, in the unit of the training data.
        channels: names of the channels.

    Raises:
        ValueError: if the shape does not agree.

    Example:
        ```python
        answer = predictor.predict(image)
        answer.of("depth")[20, 30]  # of the pixel in row 20, column 30
        ```
    """

    values: np.ndarray
    channels: tuple[str, ...]

    def __post_init__(self):
        if self.values.ndim != 3 or self.values.shape[2] != len(self.channels):
            raise ValueError(
                f"`values` must be (height, width, {len(self.channels)}), got "
                f"{self.values.shape}."
            )

    def of(self, channel: str) -> np.ndarray:
        """One channel, float32 `(height, width)`."""
        return self.values[..., self.channels.index(channel)]

    def statistics(self) -> dict[str, dict[str, float]]:
        """The lowest, mean and highest number of each channel: `min`, `mean`, `max`."""
        return {
            name: {
                "min": float(self.of(name).min()),
                "mean": float(self.of(name).mean(dtype=np.float64)),
                "max": float(self.of(name).max()),
            }
            for name in self.channels
        }
