"""What prediction returns: typed values in pixels of the original image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.segmentation.classes import ClassSet


@dataclass(frozen=True)
class Pose:
    """People found in one image.

    Attributes:
        keypoints: float32 `(people, keypoints, 2)`, x and y in pixels of the image.
        scores: float32 `(people, keypoints)`, the heatmaps' highest values (about 0 to
            1).
        boxes: float32 `(people, 4)`, the boxes that were looked at: x, y, width,
            height.
        box_scores: float32 `(people,)`, the detector's confidence in each box.
        keypoint_set: what the keypoints are called and how they belong together.

    Raises:
        ValueError: if the shapes do not agree.

    Example:
        ```python
        pose = predictor.predict(image)
        nose = pose.keypoints[0, pose.keypoint_set.names.index("nose")]
        ```
    """

    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    box_scores: np.ndarray
    keypoint_set: KeypointSet

    def __post_init__(self):
        people, count = len(self.boxes), len(self.keypoint_set)
        expected = {
            "keypoints": (people, count, 2),
            "scores": (people, count),
            "boxes": (people, 4),
            "box_scores": (people,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"`{name}` must be {shape}, got {getattr(self, name).shape}."
                )

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, index: np.ndarray) -> "Pose":
        """These people, in this order."""
        return Pose(
            self.keypoints[index],
            self.scores[index],
            self.boxes[index],
            self.box_scores[index],
            self.keypoint_set,
        )

    def to_coco(
        self,
        image_id: int | str,
        category_id: int = 1,
        totals: np.ndarray | None = None,
    ) -> list[dict[str, Any]]:
        """These people as entries of a COCO result file, keypoints as x, y, score.

        Args:
            image_id: of the image.
            category_id: of the people.
            totals: `(people,)`, their scores; None: of each the box's times the mean of
                the keypoints'.
        """
        triples = np.concatenate([self.keypoints, self.scores[..., None]], axis=-1)
        if totals is None:
            totals = self.box_scores * self.scores.mean(axis=1)
        return [
            {
                "image_id": image_id,
                "category_id": category_id,
                "keypoints": [
                    round(float(value), 3) for value in triples[person].ravel()
                ],
                "score": float(totals[person]),
                "bbox": [round(float(value), 2) for value in self.boxes[person]],
            }
            for person in range(len(self))
        ]


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
