"""What is found of faces: typed values in pixels of the original image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hrnet_tf.tasks.keypoints.result import check_found, coco_entries
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet


@dataclass(frozen=True)
class FaceLandmarks:
    """Faces found in one image.

    Attributes:
        landmarks: float32 `(faces, landmarks, 2)`, x and y in pixels of the image.
        scores: float32 `(faces, landmarks)`, the heatmaps' highest values (about 0 to
            1).
        boxes: float32 `(faces, 4)`, the boxes that were looked at: x, y, width, height.
        box_scores: float32 `(faces,)`, the detector's confidence in each box.
        landmark_set: what the landmarks are called and which lines they make.

    Raises:
        ValueError: if the shapes do not agree.

    Example:
        ```python
        found = predictor.predict(image)
        chin = found.landmarks[0, found.landmark_set.names.index("chin")]
        ```
    """

    landmarks: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    box_scores: np.ndarray
    landmark_set: LandmarkSet

    def __post_init__(self):
        check_found("landmarks", self.landmarks, len(self.landmark_set), self)

    def __len__(self) -> int:
        return len(self.boxes)

    def to_coco(
        self, image_id: int | str, category_id: int = 1
    ) -> list[dict[str, Any]]:
        """These faces as entries of a COCO result file, points as x, y, score.

        Args:
            image_id: of the image.
            category_id: of the faces.
        """
        totals = self.box_scores * self.scores.mean(axis=1)
        ids = image_id, category_id
        return coco_entries(self.landmarks, self.scores, self.boxes, totals, ids)
