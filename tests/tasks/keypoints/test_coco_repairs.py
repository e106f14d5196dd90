"""COCO files that are not as COCO has them: repaired, named or refused."""

import copy
import re

import numpy as np
import pytest

from hrnet_tf import InputError
from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from hrnet_tf.tasks.keypoints.coco_scores import average_precision
from support.faces import BALL, CROWD, FACE, FIRST, NAN, SECOND, first, put, write_faces


@pytest.fixture
def part(tmp_path):
    """The data set, changed as a test wants."""

    def make(change=lambda data: None, on_error="stop", boxes=None):
        return CocoKeypoints(write_faces(tmp_path, change, boxes), FACE, on_error)

    return make


def all_of(**changes):
    """A change of all annotations; `None` deletes."""

    def change(data):
        for number in range(len(data["annotations"])):
            put("annotations", number, **changes)(data)

    return change


def perfect(whole):
    """AP of answers that are the annotations."""
    results = [
        {
            "image_id": item["image_id"],
            "category_id": 1,
            "keypoints": item["keypoints"],
            "score": 1.0,
        }
        for item in whole.ground_truth.anns.values()
        if item["category_id"] == 1 and not item["iscrowd"] and any(item["keypoints"])
    ]
    found = average_precision(whole.ground_truth, results, 1, FACE.sigmas)
    return found["AP"]


# Repaired


@pytest.mark.parametrize("area", [0, 1, -5, NAN, "7", True, None, 1e39])
def test_an_area_that_is_none_follows_from_the_box(area, part, caplog):
    def change(data):
        put("annotations", SECOND, area=450)(data)  # of a box of 20 x 90: a quarter
        put("annotations", FIRST, area=area)(data)

    whole = part(change)
    assert whole.ground_truth.anns[1]["area"] == 30 * 40 / 4
    assert "`area` is missing or none: 0.25 of the box's is taken" in caplog.text
    assert perfect(whole) == pytest.approx(1)


@pytest.mark.parametrize("area", [0, 1, -1, None])
def test_without_any_area_the_box_is_taken_and_the_metric_is_another(
    area, part, caplog
):
    whole = part(all_of(area=area))
    assert whole.ground_truth.anns[1]["area"] == 30 * 40
    assert "4 times: `area` is missing or none: the box's is taken" in caplog.text
    assert "AP is another number" in caplog.text
    assert perfect(whole) == pytest.approx(1)


@pytest.mark.parametrize("number", [0, 3, -1, "2", None, True])
def test_keypoints_are_counted_anew(number, part, caplog):
    whole = part(first(num_keypoints=number))
    assert whole.ground_truth.anns[1]["num_keypoints"] == 2
    assert "`num_keypoints` is missing or not what the keypoints are" in caplog.text
    assert perfect(whole) == pytest.approx(1)


@pytest.mark.parametrize("value", [None, False, 0.0, "0", "false", ""])
def test_what_says_no_crowd_is_none(value, part):
    whole = part(lambda data: data["annotations"][FIRST].update(iscrowd=value))
    assert whole.ground_truth.anns[1]["iscrowd"] == 0
    assert len(whole.people()) == 2
    assert any("`iscrowd` is not written as 0 or 1" in note for note in whole.notes)


@pytest.mark.parametrize("value", [True, 1.0, "1", "true"])
def test_what_says_a_crowd_is_one(value, part):
    assert part(first(iscrowd=value)).people().image_ids.tolist() == [20]


@pytest.mark.parametrize("value", [2, -1, "many", [1], NAN])
def test_another_crowd_is_broken(value, part):
    with pytest.raises(InputError, match=r"annotation 1 .*`iscrowd` must be 0 or 1"):
        part(first(iscrowd=value)).people()


def test_crowds_need_no_keypoints(part):
    whole = part(put("annotations", CROWD, keypoints=[]))
    assert whole.ground_truth.anns[4]["keypoints"] == [0] * 9


@pytest.mark.parametrize("value", [NAN, None, 1e39, "x"])
def test_places_of_what_is_not_annotated_do_not_matter(value, part, caplog):
    whole = part(first(keypoints=[12, 22, 2, 20, 30, 1, value, value, 0]))
    np.testing.assert_array_equal(whole.people().keypoints[0, 2], [0, 0, 0])
    assert "keypoints that are not annotated have no numbers" in caplog.text
    assert perfect(whole) == pytest.approx(1)


def test_ids_and_sizes_may_be_written_as_fractions(part, caplog):
    def change(data):
        for image in data["images"]:
            image.update(id=float(image["id"]), width=float(image["width"]))
        for item in data["annotations"]:
            item.update(id=float(item["id"]), image_id=float(item["image_id"]))

    people = part(change).people()
    np.testing.assert_array_equal(people.image_ids, [10, 20])
    assert "12 times: ids are written as fractions" in caplog.text
    assert "2 times: images' sizes are written as fractions" in caplog.text


def test_a_category_of_the_same_name_that_has_no_keypoints_is_not_meant(part):
    def change(data):
        data["categories"].insert(0, {"id": 7, "name": "person", "keypoints": []})
        data["categories"][2]["keypoints"] = []

    assert part(change).category == 1


def test_a_set_without_a_category_passes_over_empty_ones(tmp_path):
    def change(data):
        data["categories"][1]["keypoints"] = []

    section = write_faces(tmp_path, change)
    face = copy.copy(FACE)
    object.__setattr__(face, "category", None)
    assert CocoKeypoints(section, face).category == 1


# Refused


FORMAT = {
    "a fraction as an id": (first(id=1.5), "must have an integer as `id`"),
    "an id beyond 64 bits": (first(id=2**63), "must have an integer as `id`"),
    "a boolean as an id": (put("images", 0, id=True), "must have an integer as `id`"),
    "a fraction as a width": (put("images", 0, width=99.5), "must be whole pixels"),
    "a boolean as a width": (put("images", 0, width=True), "must be positive"),
    "an infinite width": (put("images", 0, width=float("inf")), "must be positive"),
    "a width of 2**31": (put("images", 0, width=2**31), "must be positive"),
    "an empty file name": (put("images", 0, file_name=""), "must be text, got ''"),
}


@pytest.mark.parametrize(("change", "text"), FORMAT.values(), ids=FORMAT)
def test_another_format_is_refused(change, text, part, tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path}/annotations.json.*{text}"):
        part(change)


BROKEN = {
    "a keypoint far away": ([12, 22, 2, 1e7, 30, 1, 0, 0, 0], "10 times its longer"),
    "one beyond float32": ([12, 22, 2, 1e39, 30, 1, 0, 0, 0], "must hold numbers"),
    "a boolean": ([12, 22, 2, True, 30, 1, 0, 0, 0], "must hold numbers, got True"),
    "text": ([12, 22, 2, "20", 30, 1, 0, 0, 0], "must hold numbers, got '20'"),
    "a visibility of None": ([12, 22, None, 20, 30, 1, 0, 0, 0], "got None"),
}


@pytest.mark.parametrize(("keypoints", "text"), BROKEN.values(), ids=BROKEN)
def test_broken_keypoints_are_named(keypoints, text, part):
    with pytest.raises(InputError, match=f"(?s)annotation 1 of .*{text}"):
        part(first(keypoints=keypoints)).people()


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "below/../../a.jpg"])
def test_files_outside_the_folder_are_not_read(name, part, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not meant")
    with pytest.raises(InputError, match="leads out of the folder of images"):
        part(put("images", 0, file_name=name)).people()


@pytest.mark.parametrize("name", ["below/../a.jpg", "./a.jpg", "here"])
def test_other_ways_to_write_a_name_in_the_folder_are_taken(name, part, tmp_path):
    name = str(tmp_path / "images" / "a.jpg") if name == "here" else name
    assert len(part(put("images", 0, file_name=name)).people()) == 2


@pytest.mark.parametrize("name", ["a\0.jpg", "a" * 300 + ".jpg"])
def test_names_that_no_file_can_have_are_missing_files(name, part):
    with pytest.raises(InputError, match="the image file does not exist"):
        part(put("images", 0, file_name=name)).people()


# Named


def corners(data):
    data["annotations"][SECOND]["bbox"] = [5, 5, 20, 40]
    for item in data["annotations"]:
        x, y, width, height = item["bbox"]
        item["bbox"] = [x, y, x + width, y + height]


def shares(data):
    for item in data["annotations"]:
        item["bbox"] = [0.1, 0.2, 0.3, 0.4]
        item["keypoints"] = [0.2, 0.3, 2] * 3


def same_again(data):
    data["annotations"].append({**data["annotations"][FIRST], "id": 9})


def same_file(data):
    data["images"].append({**data["images"][0], "id": 30})


DOUBTS = {
    "corners": (
        corners,
        "4 boxes fit their images as x, y, x, y, and .* are they corners",
    ),
    "shares": (shares, "4 boxes lie within one pixel: are they shares"),
    "shares as keypoints": (shares, "keypoints lie within one pixel: are they shares"),
    "visibilities": (
        first(keypoints=[12, 22, 3, 20, 30, 1, 9, 9, -1]),
        "2 keypoints have another visibility than 0, 1 or 2",
    ),
    "large areas": (first(area=1e6), "1 annotations have an `area` larger than"),
    "doubles": (same_again, "1 annotations repeat another one .* annotation 9"),
    "one file twice": (same_file, "1 files are several images .* a.jpg"),
}


@pytest.mark.parametrize(("change", "text"), DOUBTS.values(), ids=DOUBTS)
def test_what_looks_wrong_is_named(change, text, part, caplog):
    whole = part(change)
    assert any(re.search(text, note) for note in whole.notes)
    assert re.search(text, caplog.text)


def test_good_files_are_not_remarked_on(part, caplog):
    def complete(data):
        for number, seen in enumerate((2, 3, 0, 3)):
            _, _, width, height = data["annotations"][number]["bbox"]
            more = {"num_keypoints": seen, "area": width * height / 2}
            put("annotations", number, **more)(data)

    assert part(complete).notes == []
    assert not caplog.text


def test_corners_in_a_detectors_boxes_are_named(part, caplog):
    boxes = [
        {"image_id": 10, "category_id": 1, "bbox": [40, 30, 90, 70], "score": 0.9},
        {"image_id": 20, "category_id": 1, "bbox": [20, 10, 50, 40], "score": 0.4},
    ]
    part(boxes=boxes).people()
    assert "boxes.json: all 2 boxes fit their images as x, y, x, y" in caplog.text


def test_other_lists_do_not_disturb(part):
    def change(data):
        for number, counts in ((BALL, "xx"), (FIRST, [1, 2])):
            mask = {"counts": counts, "size": [50, 60]}
            data["annotations"][number]["segmentation"] = mask
        data["annotations"][BALL]["image_id"] = 99

    assert len(part(change).people()) == 2


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 10**5, "[NaN"])
def test_json_of_endless_numbers_or_depth_is_named(text, part, tmp_path):
    whole = part()
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(InputError, match=r"annotations\.json is no valid JSON"):
        CocoKeypoints(whole.section, FACE)


def test_a_byte_order_mark_does_not_matter(part, tmp_path):
    whole = part()
    path = tmp_path / "annotations.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(CocoKeypoints(whole.section, FACE).people()) == 2
