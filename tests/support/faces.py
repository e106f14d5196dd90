"""A data set of two images and five annotations, to break as a test wants."""

import copy
import json
from pathlib import Path

from hrnet_tf.tasks.keypoints.config import CocoSection
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet

FACE = KeypointSet(
    name="face",
    names=("nose", "left_eye", "right_eye"),
    flip_pairs=(("left_eye", "right_eye"),),
    sigmas=(0.1, 0.1, 0.1),
    category="person",
)
FIRST, SECOND, UNLABELLED, CROWD, BALL = range(5)  # where they stand in the list
NAN = float("nan")


def annotation(number, image_id, bbox, keypoints, category_id=1, iscrowd=0):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox,
        "keypoints": keypoints,
        "iscrowd": iscrowd,
    }


DATA = {
    "images": [
        {"id": 10, "file_name": "a.jpg", "width": 100, "height": 80},
        {"id": 20, "file_name": "below/b.png", "width": 60, "height": 50},
    ],
    "annotations": [
        annotation(1, 10, [10, 20, 30, 40], [12, 22, 2, 20, 30, 1, 9, 9, 0]),
        annotation(2, 20, [-5, 5, 20, 90], [1, 6, 2, 2, 7, 2, 3, 8, 2]),
        annotation(3, 10, [50, 20, 30, 40], [0] * 9),
        annotation(4, 10, [0, 0, 90, 70], [9, 9, 2] * 3, iscrowd=1),
        annotation(5, 20, [1, 2, 3, 4], [], category_id=2),
    ],
    "categories": [
        {"id": 1, "name": "person", "keypoints": list(FACE.names)},
        {"id": 2, "name": "ball"},
    ],
}
BOXES = [
    {"image_id": 10, "category_id": 1, "bbox": [-5.5, 5, 50, 60], "score": 0.9},
    {"image_id": 20, "category_id": 1, "bbox": [5, 5, 20, 30], "score": 0.4},
    {"image_id": 20, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.8},
]


def write_faces(folder: Path, change=lambda data: None, boxes=None) -> CocoSection:
    """Write two images, one of them in a folder below, and changed annotations."""
    images = folder / "images"
    (images / "below").mkdir(parents=True)
    (images / "a.jpg").write_bytes(b"decoded later")
    (images / "below" / "b.png").write_bytes(b"decoded later")
    data = copy.deepcopy(DATA)
    change(data)
    paths = folder / "annotations.json", folder / "boxes.json"
    for path, content in zip(paths, (data, boxes), strict=True):
        path.write_text(json.dumps(content))
    given = None if boxes is None else str(paths[1])
    return CocoSection(str(paths[0]), str(images), given)


def put(key: str, index: int, **changes):
    """A change of one entry of a list; `None` deletes."""

    def change(data):
        entry = data[key][index]
        entry.update(changes)
        for name in [name for name, value in changes.items() if value is None]:
            del entry[name]

    return change


def first(**changes):
    """A change of the first annotation."""
    return put("annotations", FIRST, **changes)
