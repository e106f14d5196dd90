"""Annotations in COCO's format, whole and broken."""

from dataclasses import replace

import numpy as np
import pytest

from hrnet_tf import InputError
from hrnet_tf.images.boxes import clip_box
from hrnet_tf.images.preprocess import invert, source_windows
from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from hrnet_tf.tasks.keypoints.coco_scores import average_precision
from hrnet_tf.tasks.pose.augment import CropGeometry, plain_crops, random_crops
from hrnet_tf.tasks.pose.config import AugmentationSection
from support.faces import (
    BALL,
    CROWD,
    FACE,
    FIRST,
    NAN,
    UNLABELLED,
    first,
    put,
    write_faces,
)


@pytest.fixture
def part(tmp_path):
    """The data set, changed as a test wants."""

    def make(change=lambda data: None, on_error="stop"):
        return CocoKeypoints(write_faces(tmp_path, change), FACE, on_error)

    return make


def test_annotations_become_columns(part):
    whole = part()
    people = whole.people()
    assert list(people.files) == [
        f"{whole.section.images}/a.jpg",
        f"{whole.section.images}/below/b.png",
    ]
    np.testing.assert_array_equal(people.image_ids, [10, 20])
    np.testing.assert_array_equal(people.image_sizes, [[80, 100], [50, 60]])
    np.testing.assert_array_equal(people.scores, [1, 1])
    # Clipped to the image, and a pixel smaller, as the official code has it.
    np.testing.assert_array_equal(people.boxes, [[10, 20, 29, 39], [0, 5, 19, 44]])


def test_keypoints_weigh_one_or_nothing(part):
    people = part().people()
    expected = [[12, 22, 1], [20, 30, 1], [0, 0, 0]]
    np.testing.assert_array_equal(people.keypoints[0], expected)


def test_a_negative_visibility_is_no_annotation(part):
    people = part(first(keypoints=[12, 22, 2, 20, 30, -1, 9, 9, 0])).people()
    np.testing.assert_array_equal(people.keypoints[0, 1], [0, 0, 0])


def test_samples_are_named_by_annotation_file_and_image(part, tmp_path):
    assert part().people().sources[1] == (
        f"annotation 2 of {tmp_path}/images/below/b.png (image id 20)"
    )


@pytest.mark.parametrize("keypoints", [[0] * 9, [5, 5, 0] * 3])
def test_people_without_annotated_keypoints_are_left_out(keypoints, part):
    people = part(first(keypoints=keypoints)).people()
    np.testing.assert_array_equal(people.image_ids, [20])


def test_rows_are_taken_in_the_order_asked_for(part):
    people = part().people().take(np.array([1, 0, 1]))
    np.testing.assert_array_equal(people.image_ids, [20, 10, 20])
    np.testing.assert_array_equal(people.boxes[0], people.boxes[2])


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([10, 20, 30, 40], (10, 20, 29, 39)),
        ([-10, -20, 30, 40], (0, 0, 29, 39)),
        ([90, 70, 30, 40], (90, 70, 9, 9)),
        ([5.5, 5.5, 0.5, 0.5], (5.5, 5.5, 0, 0)),
        ([99, 79, 30, 40], (99, 79, 0, 0)),
        ([99.5, 79.25, 30, 40], (99, 79, 0, 0)),
    ],
)
def test_boxes_are_clipped_to_the_image(box, clipped):
    assert clip_box(box, width=100, height=80) == clipped


@pytest.mark.parametrize("box", [[5, 5, 1, 1], [20, 5, 0.1, 1], [99, 79, 1, 1]])
def test_boxes_of_a_pixel_or_less_have_a_crop(box, part):
    people = part(first(bbox=box)).people()
    for matrices in (
        plain_crops(people, CropGeometry((64, 48), 1.25)),
        random_crops(
            people,
            FACE,
            AugmentationSection(),
            CropGeometry((64, 48), 1.25),
            np.random.default_rng(0),
        )[0],
    ):
        assert np.isfinite(invert(matrices)).all()
        source_windows(matrices, people.image_sizes, (64, 48))


BROKEN = {
    "a missing box": (first(bbox=None), "`bbox` is missing"),
    "a box of three": (first(bbox=[1, 2, 3]), r"\[x, y, width, height\], got"),
    "a box of text": (first(bbox=["1"] * 4), "`bbox` must hold four numbers"),
    "a NaN box": (first(bbox=[NAN, 1, 2, 3]), "four numbers, got .*nan"),
    "a box without area": (first(bbox=[1, 2, 0, 3]), r"1, 2, 0, 3\] has no area"),
    "a box outside": (
        first(bbox=[500, 20, 30, 40]),
        r"box \[500, 20, 30, 40\] lies outside the image of 100x80",
    ),
    "a box of 1e39": (first(bbox=[1, 2, 1e39, 3]), "`bbox` must hold four numbers"),
    "a box of 10**400": (first(bbox=[1, 2, 10**400, 3]), "must hold four numbers"),
    "a box far beyond": (first(bbox=[1, 2, 1e7, 3]), "beyond the image .* 10 times"),
    "a box above": (first(bbox=[5, -50, 30, 40]), "lies outside the image"),
    "no keypoints": (first(keypoints=None), "`keypoints` is missing"),
    "an empty list": (first(keypoints=[]), "`keypoints` is missing"),
    "too few keypoints": (
        first(keypoints=[1, 2, 2]),
        r"3 keypoints \(9 numbers\) are expected, found 3",
    ),
    "nested keypoints": (first(keypoints=[[1, 2, 2]] * 3), "found 3 numbers"),
    "a NaN keypoint": (first(keypoints=[NAN] * 9), "must hold numbers, got nan"),
    "a null keypoint": (first(keypoints=[None] * 9), "must hold numbers, got None"),
    "keypoints as text": (first(keypoints="1, 2"), "must be a list of numbers"),
}


@pytest.mark.parametrize(("change", "text"), BROKEN.values(), ids=BROKEN)
def test_a_broken_annotation_stops_with_its_file_and_id(change, text, part, tmp_path):
    name = rf"annotation 1 of {tmp_path}/images/a.jpg \(image id 10\): "
    where = f"{tmp_path}/annotations.json: 1 broken"
    with pytest.raises(InputError, match=f"(?s)^{where}.*{name}.*{text}"):
        part(change).people()


@pytest.mark.parametrize(("change", "text"), BROKEN.values(), ids=BROKEN)
def test_a_broken_annotation_is_skipped_with_a_count(change, text, part, caplog):
    people = part(change, "skip").people()
    np.testing.assert_array_equal(people.image_ids, [20])
    assert "1 broken samples skipped, 1 kept" in caplog.text


def test_an_unknown_image_is_named_by_its_id(part):
    with pytest.raises(InputError, match="annotation 1: there is no image with id 99"):
        part(first(image_id=99)).people()


def test_a_missing_image_is_named(part, tmp_path):
    whole = part()
    (tmp_path / "images" / "below" / "b.png").unlink()
    name = rf"annotation 2 of {tmp_path}/images/below/b.png \(image id 20\)"
    with pytest.raises(InputError, match=f"{name}: the image file does not exist"):
        whole.people()


def test_an_empty_image_is_named(part, tmp_path):
    whole = part()
    (tmp_path / "images" / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"annotation 1 of .*: .* file is empty"):
        whole.people()


def test_a_missing_image_is_skipped_with_a_count(part, tmp_path, caplog):
    whole = part(on_error="skip")
    (tmp_path / "images" / "a.jpg").unlink()
    assert len(whole.people()) == 1
    assert "1 broken samples skipped, 1 kept" in caplog.text


def test_a_missing_image_without_people_is_no_problem(part):
    def only_a_ball(data):
        data["images"].append({**data["images"][0], "id": 30, "file_name": "c.jpg"})
        data["annotations"][BALL]["image_id"] = 30

    assert len(part(only_a_ball).people()) == 2


def test_a_missing_folder_is_named(part):
    whole = part()
    whole.section = replace(whole.section, images="nowhere")
    with pytest.raises(InputError, match="There is no folder of images nowhere"):
        whole.people()


def test_a_long_list_of_problems_is_cut(part):
    def many(data):
        like = data["annotations"][FIRST]
        data["annotations"] += [{**like, "id": 99 + i, "bbox": None} for i in range(13)]

    with pytest.raises(InputError, match=r"13 broken samples(?s:.*)and 3 more$"):
        part(many).people()


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_nobody_left_is_an_error(on_error, part):
    def nobody(data):
        data["annotations"] = data["annotations"][UNLABELLED:]

    with pytest.raises(InputError, match=r"annotations\.json holds nothing"):
        part(nobody, on_error).people()


def replaced(key, value):
    return lambda data: data.update({key: value})


FORMAT = {
    "no images": (replaced("images", None), "it has no list `images`"),
    "annotations by id": (replaced("annotations", {}), "it has no list `annotations`"),
    "no categories": (lambda data: data.pop("categories"), "no list `categories`"),
    "an image as text": (replaced("images", ["a.jpg"]), "must be an object, got a.jpg"),
    "no file name": (put("images", 0, file_name=None), "has no `file_name`: .*10"),
    "no width": (put("images", 0, width=None), "`images` has no `width`: .*a.jpg"),
    "a width of zero": (put("images", 0, width=0), "image 10 must be positive, got 0"),
    "a width as text": (put("images", 0, width="100"), "must be positive, got '100'"),
    "a number as a name": (put("images", 0, file_name=5), "must be text, got 5"),
    "images alike": (put("images", 0, id=20), "`images` has 1 ids more than once"),
    "no id": (first(id=None), "`annotations` has no `id`"),
    "an id as text": (first(id="x"), "must have an integer as `id`"),
    "no image id": (first(image_id=None), "has no `image_id`"),
    "no category": (first(category_id=None), "has no `category_id`"),
    "ids alike": (first(id=2), "more than once, such as 2"),
    "no category id": (put("categories", 1, id=None), "`categories` has no `id`"),
    "no person": (
        put("categories", 0, name="human"),
        r"\(named person\), found 0 among \['human', 'ball'\]",
    ),
    "two persons": (put("categories", 1, name="person"), "found 2 among"),
    "other keypoints": (
        put("categories", 0, keypoints=["nose", "left_eye", "mouth"]),
        r"person has the keypoints .*'mouth'\], the set face has .*data.keypoints",
    ),
}


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize(("change", "text"), FORMAT.values(), ids=FORMAT)
def test_another_format_is_refused(change, text, on_error, part, tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path}/annotations.json.*{text}"):
        part(change, on_error)


def test_a_category_need_not_list_its_keypoints(part):
    assert len(part(put("categories", 0, keypoints=None)).people()) == 2


def test_a_set_without_a_category_takes_the_one_with_keypoints(tmp_path):
    section = write_faces(tmp_path, put("categories", 0, name="human"))
    assert CocoKeypoints(section, replace(FACE, category=None)).category == 1


@pytest.mark.parametrize("content", ["", "{", "[1, 2", "\xff"])
def test_broken_json_is_named(content, tmp_path):
    section = write_faces(tmp_path)
    (tmp_path / "annotations.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=f"{section.annotations} is no valid JSON: "):
        CocoKeypoints(section, FACE)


def test_a_missing_annotation_file_is_named(tmp_path):
    section = write_faces(tmp_path)
    (tmp_path / "annotations.json").unlink()
    with pytest.raises(InputError, match=f"There is no file {section.annotations}"):
        CocoKeypoints(section, FACE)


def test_a_list_is_no_annotation_file(tmp_path):
    section = write_faces(tmp_path)
    (tmp_path / "annotations.json").write_text("[]")
    with pytest.raises(InputError, match="is not in COCO's format"):
        CocoKeypoints(section, FACE)


def test_the_ground_truth_gets_what_may_be_missing(part):
    bare = part(first(iscrowd=None)).ground_truth.anns[1]
    assert (bare["area"], bare["num_keypoints"], bare["iscrowd"]) == (1200, 2, 0)


def test_skipped_annotations_do_not_disturb_the_judgement(part):
    def broken_and_bare(data):
        data["annotations"][FIRST]["keypoints"] = [1, 2, 2]
        del data["annotations"][CROWD]["keypoints"]

    whole = part(broken_and_bare, "skip")
    keypoints = whole.ground_truth.anns[2]["keypoints"]
    found = {"image_id": 20, "category_id": 1, "keypoints": keypoints, "score": 1.0}
    statistics = average_precision(
        whole.ground_truth, [found], whole.category, FACE.sigmas
    )
    assert statistics["AP"] == pytest.approx(1)
