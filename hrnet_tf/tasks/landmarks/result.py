"""What is found of faces: typed values in pixels of the original image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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
        faces, count = len(self.boxes), len(self.landmark_set)
        expected = {
            "landmarks": (faces, count, 2),
            "scores": (faces, count),
            "boxes": (faces, 4),
            "box_scores": (faces,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"`{name}` must be {shape}, got {getattr(self, name).shape}."
                )

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
        triples = np.concatenate([self.landmarks, self.scores[..., None]], axis=-1)
        totals = self.box_scores * self.scores.mean(axis=1)
        return [
            {
                "image_id": image_id,
                "category_id": category_id,
                "keypoints": [
                    round(float(value), 3) for value in triples[face].ravel()
                ],
                "score": float(totals[face]),
                "bbox": [round(float(value), 2) for value in self.boxes[face]],
            }
            for face in range(len(self))
        ]
