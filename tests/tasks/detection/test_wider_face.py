"""WIDER FACE: its lists, and its metric against the published program's steps."""

import numpy as np
import pytest
from scipy.io import savemat

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.detection.config import ObjectsSection
from hrnet_tf.tasks.detection.objects import Wanted
from hrnet_tf.tasks.detection.scores import judge
from hrnet_tf.tasks.detection.wider_face import WiderFaces
from hrnet_tf.tasks.detection.wider_scores import (
    SUBSETS,
    JudgedFaces,
    read_subsets,
    wider_average_precision,
)

NAMES = ["0--Parade/a_1.jpg", "0--Parade/a_2.jpg", "1--Riot/b_1.jpg"]
LIST = f"""{NAMES[0]}
3
10 12 20 24 0 0 0 0 0 0
30 5 8 9 2 0 0 1 0 0
40 40 0 7 2 0 0 0 0 0
{NAMES[1]}
0
0 0 0 0 0 0 0 0 0 0
{NAMES[2]}
1
1 2 3 4 0 0 0 0 0 0
"""


def section_of(folder, text=LIST, missing=()):
    for name in set(NAMES) - set(missing):
        write_image(folder / "images" / name, np.full((60, 80, 3), 99, np.uint8))
    path = folder / "list.txt"
    path.write_text(text)
    return ObjectsSection(str(path), str(folder / "images"))


def test_faces_are_read_as_they_are_published(tmp_path, caplog):
    part = WiderFaces(section_of(tmp_path))
    objects = part.objects()
    assert objects.images.image_sizes.tolist() == [[60, 80]] * 3
    assert [boxes.tolist() for boxes in objects.boxes] == [
        [[10, 12, 30, 36], [30, 5, 38, 14]],
        [],
        [[1, 2, 4, 6]],
    ]
    assert objects.crowds[0].tolist() == [False, True]
    assert "faces are narrower or lower than 1 pixel: left out" in caplog.text
    assert part.names[3] == NAMES[2]
    results = [
        {"image_id": 1, "category_id": 1, "bbox": [10, 12, 20, 24], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [30, 5, 8, 9], "score": 0.95},
        {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.8},
    ]
    found = judge(part.ground_truth, results, part.classes)
    assert found.statistics["AP"] == 1  # the invalid one is neither right nor wrong


def test_training_leaves_out_invalid_faces_and_empty_images(tmp_path, caplog):
    objects = WiderFaces(section_of(tmp_path), Wanted(training=True)).objects()
    assert objects.images.image_ids.tolist() == [1, 3]
    assert [len(boxes) for boxes in objects.boxes] == [1, 1]
    assert "1 times: faces are marked invalid: left out" in caplog.text
    assert "1 times: images have no faces" in caplog.text
    everything = Wanted(training=True, empty=True)
    assert len(WiderFaces(section_of(tmp_path), everything).objects()) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("a.jpg\nmany\n", "line 1 must be the name of an image"),
        ("a.jpg\n2\n1 2 3 4\n", "says that a.jpg has 2 faces, there are 1 lines left"),
        (LIST.replace("10 12 20", "x 12 20"), "line 3, image .*a face must be 10"),
        (LIST.replace("10 12 20 24", "90 12 20 24"), "lies outside"),
        (LIST.replace("10 12 20 24", "10 12 -20 24"), "has no area"),
    ],
)
def test_broken_lists_are_refused(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        WiderFaces(section_of(tmp_path, text)).objects()


def test_missing_images_are_reported_or_skipped(tmp_path):
    section = section_of(tmp_path, missing=NAMES[:1])
    with pytest.raises(InputError, match=r"a_1\.jpg \(line 1\): the image file does"):
        WiderFaces(section).objects()
    part = WiderFaces(section, Wanted(on_error="skip"))
    assert len(part.objects()) == 2
    assert part.unread == {1}


def test_masks_cannot_be_had(tmp_path):
    with pytest.raises(InputError, match="has no masks"):
        WiderFaces(section_of(tmp_path), Wanted(masks=True))


def overlaps(faces, box):
    """The published program's, on corners; pixels count from 1."""
    x1, y1 = np.maximum(faces[:, 0], box[0]), np.maximum(faces[:, 1], box[1])
    x2, y2 = np.minimum(faces[:, 2], box[2]), np.minimum(faces[:, 3], box[3])
    w, h = x2 - x1 + 1, y2 - y1 + 1
    inter = w * h
    areas = (faces[:, 2] - faces[:, 0] + 1) * (faces[:, 3] - faces[:, 1] + 1)
    own = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    inter[(w <= 0) | (h <= 0)] = 0
    return inter / (areas + own - inter)


def published_ap(truth, boxes, scores, subset, steps=1000):
    """Step by step as the published program goes."""
    every = np.concatenate([scores[name] for name in truth])
    curve, total = np.zeros((steps, 2)), 0
    for name, faces in truth.items():
        counted = faces.counted[subset]
        total += counted.sum()
        if not len(boxes[name]) or not len(faces.boxes):
            continue
        order = np.argsort(-scores[name], kind="stable")
        own = (scores[name][order] - every.min()) / (every.max() - every.min())
        corners = boxes[name][order].copy()
        corners[:, 2:] += corners[:, :2]
        them = faces.boxes.copy()
        them[:, 2:] += them[:, :2]
        recalled, proposals, found = np.zeros(len(them)), np.ones(len(own)), []
        for row, box in enumerate(corners):
            shared = overlaps(them, box)
            index = shared.argmax()
            if shared[index] >= 0.5:
                if not counted[index]:
                    recalled[index] = proposals[row] = -1
                elif recalled[index] == 0:
                    recalled[index] = 1
            found.append((recalled == 1).sum())
        for step in range(1, steps + 1):
            above = np.flatnonzero(own >= 1 - step / steps)
            if len(above):
                last = above[-1]
                curve[step - 1] += (proposals[: last + 1] == 1).sum(), found[last]
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(curve[:, 1] / curve[:, 0])
    recall = np.concatenate([[0], curve[:, 1] / total, [1]])
    precision = np.concatenate([[0], precision, [0]])
    for index in range(len(precision) - 2, -1, -1):
        precision[index] = max(precision[index], precision[index + 1])
    places = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return ((recall[places] - recall[places - 1]) * precision[places]).sum()


def scattered(seed):
    rng = np.random.default_rng(seed)
    truth, boxes, scores = {}, {}, {}
    for number in range(6):
        faces = rng.uniform(0, 200, (rng.integers(0, 8), 4))
        faces[:, 2:] = rng.uniform(5, 60, faces[:, 2:].shape)
        marks = rng.random((3, len(faces))) < [[0.4], [0.7], [0.9]]
        counted = dict(zip(SUBSETS, marks, strict=True))
        truth[str(number)] = JudgedFaces(faces, counted)
        near = faces[rng.integers(0, len(faces), 12)] if len(faces) else faces
        near = np.concatenate([near, rng.uniform(5, 150, (4, 4))])
        boxes[str(number)] = near + rng.normal(0, 3, near.shape)
        boxes[str(number)][:, 2:] = np.maximum(boxes[str(number)][:, 2:], 2)
        scores[str(number)] = rng.random(len(near))
    return truth, boxes, scores


@pytest.mark.parametrize("seed", range(4))
def test_the_metric_is_the_published_one(seed):
    truth, boxes, scores = scattered(seed)
    found = wider_average_precision(truth, boxes, scores)
    for subset in SUBSETS:
        wanted = published_ap(truth, boxes, scores, subset)
        assert 0 < wanted < 1
        assert found[subset] == pytest.approx(wanted, abs=1e-12)


def test_faces_that_do_not_count_are_neither_right_nor_wrong():
    faces = np.array([[0, 0, 10, 10], [50, 50, 10, 10.0]])
    counted = {
        "easy": np.array([True, False]),
        "medium": np.array([True, True]),
        "hard": np.array([False, False]),
    }
    truth = {"a": JudgedFaces(faces, counted)}
    scores = {"a": np.array([0.9, 0.8, 0.1])}
    boxes = {"a": np.array([faces[1], faces[0], [200, 200, 5, 5]])}
    found = wider_average_precision(truth, boxes, scores)
    assert found == {"easy": 1.0, "medium": 1.0, "hard": -1.0}
    twice = {"a": np.array([faces[0], faces[0] + 1, [200, 200, 5, 5]])}
    # The second box of a face is wrong, as the second face is not found.
    found = wider_average_precision(truth, twice, scores)
    assert found["easy"] == 1.0
    assert found["medium"] == pytest.approx(0.5)
    nothing = wider_average_precision(truth, {}, {})
    assert nothing == {"easy": 0.0, "medium": 0.0, "hard": -1.0}


def cell(*values):
    """A column of MATLAB's cells."""
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column


def write_subsets(folder, events=("0--Parade", "1--Riot")):
    faces = cell(
        cell(np.array([[10, 12, 20, 24], [30, 5, 8, 9]]), np.zeros((0, 4))),
        cell(np.array([[1, 2, 3, 4]])),
    )
    files = cell(cell("a_1", "a_2"), cell("b_1"))
    savemat(
        folder / "wider_face_val.mat",
        {"event_list": cell(*events), "file_list": files, "face_bbx_list": faces},
    )
    for subset in SUBSETS:
        first = [[2], [1]] if subset == "hard" else [[1]]
        chosen = cell(cell(np.array(first), np.zeros((0, 1))), cell(np.array([[1]])))
        savemat(folder / f"wider_{subset}_val.mat", {"gt_list": chosen})


def test_the_published_subsets_are_read(tmp_path):
    write_subsets(tmp_path)
    truth = read_subsets(tmp_path)
    assert list(truth) == NAMES
    assert truth[NAMES[0]].boxes.tolist() == [[10, 12, 20, 24], [30, 5, 8, 9]]
    assert truth[NAMES[0]].counted["easy"].tolist() == [True, False]
    assert truth[NAMES[0]].counted["hard"].tolist() == [True, True]
    assert truth[NAMES[1]].boxes.shape == (0, 4)
    assert truth[NAMES[2]].counted["medium"].tolist() == [True]


def test_other_files_are_no_subsets(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*wider_face_val\.mat"):
        read_subsets(tmp_path)
    write_subsets(tmp_path)
    savemat(tmp_path / "wider_hard_val.mat", {"gt_list": np.zeros(3)})
    with pytest.raises(InputError, match="not WIDER FACE's ground truth"):
        read_subsets(tmp_path)
