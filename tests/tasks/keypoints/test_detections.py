"""A detector's boxes in place of the annotated ones."""

from dataclasses import replace

import numpy as np
import pytest

from hrnet_tf import InputError
from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from support.faces import BOXES, FACE, NAN, first, write_faces


@pytest.fixture
def part(tmp_path):
    """The data set with a file of boxes."""

    def make(boxes=BOXES, on_error="stop", threshold=0.0, change=lambda data: None):
        section = write_faces(tmp_path, change, boxes)
        return CocoKeypoints(replace(section, box_threshold=threshold), FACE, on_error)

    return make


def test_boxes_are_used_as_they_are(part):
    people = part().people()
    np.testing.assert_array_equal(people.boxes, [[-5.5, 5, 50, 60], [5, 5, 20, 30]])
    np.testing.assert_array_equal(people.scores, [0.9, 0.4])
    np.testing.assert_array_equal(people.keypoints, np.zeros((2, 3, 3)))


def test_boxes_below_the_threshold_are_left_out(part):
    assert part(threshold=0.5).people().scores.tolist() == [0.9]


def test_a_score_at_the_threshold_counts(part):
    assert len(part(threshold=0.4).people()) == 2


def test_a_missing_image_below_the_threshold_is_no_problem(part, tmp_path):
    whole = part(threshold=0.5)
    (tmp_path / "images" / "below" / "b.png").unlink()
    assert whole.people().image_ids.tolist() == [10]


def test_boxes_need_no_score_and_no_category(part):
    people = part([{"image_id": 10, "bbox": [1, 2, 30, 40]}]).people()
    assert people.scores.tolist() == [1]


def test_a_training_part_ignores_the_boxes(part):
    np.testing.assert_array_equal(part().annotated().scores, [1, 1])


BROKEN = {
    "an unknown image": ({"image_id": 99}, "box 1: there is no image with id 99"),
    "an id as text": ({"image_id": "10"}, "box 1: there is no image with id '10'"),
    "a list as an id": ({"image_id": [10]}, r"there is no image with id \[10\]"),
    "a NaN box": ({"bbox": [NAN] * 4}, r"box 1 of .*a.jpg \(image id 10\): .*numbers"),
    "a box of three": ({"bbox": [1, 2, 3]}, "width, height., got .1, 2, 3"),
    "a missing box": ({"bbox": None}, "`bbox` is missing"),
    "a box outside": ({"bbox": [500, 1, 9, 9]}, "lies outside the image of 100x80"),
    "a score as text": ({"score": "high"}, "`score` must be a number, got 'high'"),
    "a NaN score": ({"score": NAN}, "`score` must be a number, got nan"),
}


@pytest.mark.parametrize(("change", "text"), BROKEN.values(), ids=BROKEN)
def test_a_broken_box_stops_with_its_number(change, text, part, tmp_path):
    boxes = [BOXES[1], {**BOXES[0], **change}]
    path = tmp_path / "boxes.json"
    with pytest.raises(InputError, match=f"(?s)^{path}: 1 broken samples .*{text}"):
        part(boxes).people()


@pytest.mark.parametrize(("change", "text"), BROKEN.values(), ids=BROKEN)
def test_a_broken_box_is_skipped_with_a_count(change, text, part, caplog):
    boxes = [BOXES[1], {**BOXES[0], **change}]
    assert len(part(boxes, "skip").people()) == 1
    assert "1 broken samples skipped, 1 kept" in caplog.text


@pytest.mark.parametrize("boxes", [{"boxes": []}, [1, 2]])
def test_another_format_is_refused(boxes, part):
    with pytest.raises(InputError, match=r"boxes\.json must hold a list of boxes"):
        part(boxes).people()


def test_broken_json_is_named(part, tmp_path):
    whole = part()
    (tmp_path / "boxes.json").write_text("[")
    with pytest.raises(InputError, match=r"boxes\.json is no valid JSON"):
        whole.people()


def test_a_missing_file_is_named(part, tmp_path):
    whole = part()
    (tmp_path / "boxes.json").unlink()
    with pytest.raises(InputError, match=r"There is no file .*boxes\.json"):
        whole.people()


def test_no_boxes_is_nobody(part):
    with pytest.raises(InputError, match=r"boxes\.json holds nothing"):
        part([]).people()


def test_broken_annotations_are_reported_too(part, tmp_path):
    where = f"{tmp_path}/annotations.json: 1 broken"
    with pytest.raises(InputError, match=f"(?s)^{where}.*are expected, found 3"):
        part(change=first(keypoints=[1, 2, 2])).people()
