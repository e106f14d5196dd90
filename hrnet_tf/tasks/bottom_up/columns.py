"""Everyone in an image as columns of a table."""

from typing import Any

from hrnet_tf.tasks.base.columns import BOX, POINT, Columns, box_row, point_rows
from hrnet_tf.tasks.bottom_up.result import PeoplePose


def _values(found: PeoplePose) -> dict[str, Any]:
    people = [
        {
            "keypoints": point_rows(found.keypoints[row], found.scores[row]),
            "score": float(found.person_scores[row]),
            "box": box_row(found.boxes[row]),
        }
        for row in range(len(found))
    ]
    return {"people": people}


PERSON = {"keypoints": [POINT], "score": "float32", "box": BOX}
COLUMNS = Columns({"people": [PERSON]}, _values)
