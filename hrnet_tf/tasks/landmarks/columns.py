"""Faces as columns of a table."""

from typing import Any

from hrnet_tf.tasks.base.columns import BOX, POINT, Columns, box_row, point_rows
from hrnet_tf.tasks.landmarks.result import FaceLandmarks


def _values(found: FaceLandmarks) -> dict[str, Any]:
    faces = [
        {
            "landmarks": point_rows(found.landmarks[row], found.scores[row]),
            "box": box_row(found.boxes[row]),
            "box_score": float(found.box_scores[row]),
        }
        for row in range(len(found))
    ]
    return {"faces": faces}


FACE = {"landmarks": [POINT], "box": BOX, "box_score": "float32"}
COLUMNS = Columns({"faces": [FACE]}, _values)
