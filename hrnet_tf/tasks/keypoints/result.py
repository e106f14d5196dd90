"""What is found of people: typed values in pixels of the original image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet


def check_found(name: str, points: np.ndarray, count: int, found: Any) -> None:
    """Raise a ValueError unless shapes of what is found in boxes agree.

    Args:
        name: of the points.
        points: as many for each box as `count`.
        count: how many points there are.
        found: has `scores`, `boxes` and `box_scores`.
    """
    boxes = len(found.boxes)
    for key, given, shape in (
        (name, points, (boxes, count, 2)),
        ("scores", found.scores, (boxes, count)),
        ("boxes", found.boxes, (boxes, 4)),
        ("box_scores", found.box_scores, (boxes,)),
    ):
        if given.shape != shape:
            raise ValueError(f"`{key}` must be {shape}, got {given.shape}.")


def coco_entries(
    points: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    totals: np.ndarray,
    ids: tuple[int | str, int],
) -> list[dict[str, Any]]:
    """What is found in an image as entries of a COCO result file.

    Args:
        points: `(n, k, 2)`, in pixels of the image.
        scores: `(n, k)`, of the points.
        boxes: `(n, 4)`.
        totals: `(n,)`, scores of the entries.
        ids: of the image and of the category.
    """
    triples = np.concatenate([points, scores[..., None]], axis=-1)
    return [
        {
            "image_id": ids[0],
            "category_id": ids[1],
            "keypoints": [round(float(value), 3) for value in triples[row].ravel()],
            "score": float(totals[row]),
            "bbox": [round(float(value), 2) for value in boxes[row]],
        }
        for row in range(len(boxes))
    ]


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
        check_found("keypoints", self.keypoints, len(self.keypoint_set), self)

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
        totals = self.totals if totals is None else totals
        ids = image_id, category_id
        return coco_entries(self.keypoints, self.scores, self.boxes, totals, ids)
