import json

import numpy as np
import pytest

from hrnet_tf.tasks.keypoints.result import Pose
from support.spots import COLORS


def pose(**changed):
    """Two people with three keypoints."""
    values = {
        "keypoints": np.arange(12, dtype=np.float32).reshape(2, 3, 2) + 0.25,
        "scores": np.array([[0.5, 0.25, 0.75], [1, 1, 0.5]], np.float32),
        "boxes": np.array([[1, 2, 30, 40], [5.125, 6, 7, 8]], np.float32),
        "box_scores": np.array([1, 0.5], np.float32),
    }
    return Pose(**{**values, **changed}, keypoint_set=COLORS)


def test_people_become_entries_of_a_coco_file():
    first, second = pose().to_coco(139)
    assert first == {
        "image_id": 139,
        "category_id": 1,
        "keypoints": [0.25, 1.25, 0.5, 2.25, 3.25, 0.25, 4.25, 5.25, 0.75],
        "score": 0.5,  # 1 * (0.5 + 0.25 + 0.75) / 3
        "bbox": [1, 2, 30, 40],
    }
    assert second["score"] == pytest.approx(0.5 * (1 + 1 + 0.5) / 3)
    assert second["bbox"] == [5.12, 6, 7, 8]


def test_entries_survive_json():
    entries = pose().to_coco("street.jpg", category_id=3)
    assert json.loads(json.dumps(entries)) == entries
    assert {(e["image_id"], e["category_id"]) for e in entries} == {("street.jpg", 3)}


def test_no_people_are_no_entries():
    empty = pose(
        keypoints=np.zeros((0, 3, 2)),
        scores=np.zeros((0, 3)),
        boxes=np.zeros((0, 4)),
        box_scores=np.zeros(0),
    )
    assert (len(empty), empty.to_coco(1)) == (0, [])


def test_people_are_counted():
    assert len(pose()) == 2


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("keypoints", (2, 3, 3), r"\(2, 3, 2\), got \(2, 3, 3\)"),
        ("scores", (2, 4), r"\(2, 3\), got \(2, 4\)"),
        ("boxes", (2, 5), r"\(2, 4\), got \(2, 5\)"),
        ("box_scores", (3,), r"\(2,\), got \(3,\)"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(name, shape, expected):
    with pytest.raises(ValueError, match=f"`{name}` must be {expected}"):
        pose(**{name: np.zeros(shape)})
