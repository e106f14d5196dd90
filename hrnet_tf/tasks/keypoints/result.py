"""What is found of people: typed values in pixels of the original image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet


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

    @property
    def totals(self) -> np.ndarray:
        """Scores of people, `(people,)`: the box's times the mean of the keypoints'."""
        return self.box_scores * self.scores.mean(axis=1)

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
            totals: `(people,)`, their scores; None: the attribute `totals`.
        """
        triples = np.concatenate([self.keypoints, self.scores[..., None]], axis=-1)
        if totals is None:
            totals = self.totals
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
