"""What is found of people without boxes: typed values in pixels of the image."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.result import Pose


@dataclass(frozen=True)
class PeoplePose(Pose):
    """People found in one image by their keypoints; see `Pose`.

    Attributes:
        keypoints: 0 where none was found, and its score too.
        boxes: around the keypoints that were found.
        box_scores: 1: nobody was looked for in a box.
        person_scores: float32 `(people,)`, how sure each person is: the mean of the
            keypoints' scores, before missing ones were looked for.
    """

    person_scores: np.ndarray

    @classmethod
    def from_groups(
        cls,
        keypoints: np.ndarray,
        scores: np.ndarray,
        person_scores: np.ndarray,
        keypoint_set: KeypointSet,
    ) -> "PeoplePose":
        """People by their keypoints.

        Args:
            keypoints: `(people, keypoints, 2)`, in pixels of the image.
            scores: `(people, keypoints)`; 0 where a keypoint was not found.
            person_scores: `(people,)`.
            keypoint_set: what the keypoints are called.
        """
        found = (scores > 0)[..., None]
        keypoints = np.where(found, keypoints, 0).astype(np.float32)
        boxes = np.zeros((len(keypoints), 4), np.float32)
        if len(keypoints):
            low = np.where(found, keypoints, np.inf).min(axis=1)
            high = np.where(found, keypoints, -np.inf).max(axis=1)
            boxes = np.concatenate([low, high - low], axis=1).astype(np.float32)
        ones = np.ones(len(keypoints), np.float32)
        scores = scores.astype(np.float32)
        totals = person_scores.astype(np.float32)
        return cls(keypoints, scores, boxes, ones, keypoint_set, totals)

    def take(self, index: np.ndarray) -> "PeoplePose":
        """These people, in this order."""
        chosen = super().take(index)
        return replace(self, **vars(chosen), person_scores=self.person_scores[index])

    def to_coco(
        self,
        image_id: int | str,
        category_id: int = 1,
        totals: np.ndarray | None = None,
    ) -> list[dict[str, Any]]:
        """These people as entries of a COCO result file; see `Pose.to_coco`."""
        totals = self.person_scores if totals is None else totals
        return super().to_coco(image_id, category_id, totals)
