"""People as columns of a table."""

from typing import Any

from hrnet_tf.tasks.base.columns import BOX, POINT, Columns, box_row, point_rows
from hrnet_tf.tasks.pose.viewer import Reported


def _values(found: Reported) -> dict[str, Any]:
    pose = found.pose
    people = [
        {
            "keypoints": point_rows(pose.keypoints[row], pose.scores[row]),
            "score": float(found.totals[row]),
            "box": box_row(pose.boxes[row]),
            "box_score": float(pose.box_scores[row]),
        }
        for row in range(len(pose))
    ]
    return {"people": people}


PERSON = {"keypoints": [POINT], "score": "float64", "box": BOX, "box_score": "float32"}
COLUMNS = Columns({"people": [PERSON]}, _values)
