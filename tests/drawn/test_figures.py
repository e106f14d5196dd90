import csv
import json
import shutil

import cv2
import numpy as np
import pytest

from hrnet_tf import read_image
from hrnet_tf.drawn.figures import (
    ACTIONS,
    CLASSES,
    SHOULDERS,
    SIDE,
    TRUE_SIZES,
    draw_data_set,
    draw_picture,
)

SPLITS = {"train": 12, "val": 6}  # what conftest draws
LAYERS = ("masks", "depth")
SPECKS = 8  # pixels: what is seen of an object in ones and twos is no polygon


@pytest.fixture(params=SPLITS)
def split(request):
    return request.param


@pytest.fixture
def coco(split, data_folder):
    return json.loads(
        (data_folder / "annotations" / f"person_keypoints_{split}.json").read_text()
    )


@pytest.fixture
def figures(coco):
    """The annotations of people."""
    return [item for item in coco["annotations"] if item["category_id"] == 1]


def files_of(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_same_seed_draws_the_same_files(tmp_path):
    for name in ("first", "second"):
        draw_data_set(tmp_path / name, train=2, validation=1, seed=3)
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_another_seed_draws_other_images(tmp_path):
    for seed in (3, 4):
        draw_data_set(tmp_path / str(seed), train=1, validation=0, seed=seed)
    name = "images/train/000001.jpg"
    assert files_of(tmp_path / "3")[name] != files_of(tmp_path / "4")[name]


def test_no_validation_image_is_a_training_image(data_folder):
    images = files_of(data_folder / "images")
    assert len(set(images.values())) == len(images) == sum(SPLITS.values())


def test_what_is_there_is_not_drawn_again(tmp_path):
    draw_data_set(tmp_path, train=1, validation=1)
    picture = tmp_path / "images" / "train" / "000001.jpg"
    picture.write_bytes(b"mine")
    draw_data_set(tmp_path, train=1, validation=1)
    assert picture.read_bytes() == b"mine"


def test_an_interrupted_drawing_starts_again(tmp_path):
    draw_data_set(tmp_path, train=1, validation=1)
    whole = files_of(tmp_path)
    (tmp_path / "annotations" / "actions_train.csv").unlink()
    (tmp_path / "images" / "train" / "000001.jpg").write_bytes(b"half")
    draw_data_set(tmp_path, train=1, validation=1)
    assert files_of(tmp_path) == whole


def test_a_data_set_of_an_older_version_gets_its_depth(tmp_path):
    draw_data_set(tmp_path, train=2, validation=1)
    whole = files_of(tmp_path)
    (tmp_path / "depth" / "train" / "000002.png").unlink()
    shutil.rmtree(tmp_path / "depth" / "val")
    draw_data_set(tmp_path, train=2, validation=1)
    assert files_of(tmp_path) == whole


def test_images_are_those_of_earlier_versions(tmp_path):
    """The depth draws no random numbers of its own."""
    rng = np.random.default_rng([0, 0])
    draw_picture(list(ACTIONS)[int(rng.integers(len(ACTIONS)))], rng)
    assert rng.integers(2**32) == 3095648483  # as before there was a depth


def test_every_image_is_listed_with_its_size(coco, split, data_folder):
    assert len(coco["images"]) == SPLITS[split]
    for image in coco["images"]:
        path = data_folder / "images" / split / image["file_name"]
        assert read_image(path).shape == (image["height"], image["width"], 3)


def test_every_image_shows_a_person(coco, figures):
    with_people = {item["image_id"] for item in figures}
    assert with_people == {image["id"] for image in coco["images"]}


def test_ids_are_unique(coco):
    for key in ("images", "annotations", "categories"):
        ids = [entry["id"] for entry in coco[key]]
        assert len(set(ids)) == len(ids)


def test_categories_are_the_classes(coco, coco_set):
    assert [(c["id"], c["name"]) for c in coco["categories"]] == [
        (i, name) for i, name in enumerate(CLASSES) if i
    ]
    assert tuple(coco["categories"][0]["keypoints"]) == coco_set.names


def test_keypoints_are_whole_and_inside_the_image(figures):
    for figure in figures:
        x, y, visibility = np.reshape(figure["keypoints"], (17, 3)).T
        assert min(x.min(), y.min()) >= 0
        assert max(x.max(), y.max()) <= SIDE - 1
        assert set(visibility) <= {1, 2}
        assert figure["num_keypoints"] == 17


def test_left_is_on_the_images_right(figures, coco_set):
    """The figures face us, and none is turned."""
    left, right = (coco_set.names.index(f"{side}_hip") for side in ("left", "right"))
    for figure in figures:
        x = figure["keypoints"][0::3]
        assert x[left] > x[right]


def test_boxes_hold_the_figure_and_stay_inside(figures):
    for figure in figures:
        left, top, width, height = figure["bbox"]
        assert left >= 0
        assert top >= 0
        assert left + width <= SIDE
        assert top + height <= SIDE
        x, y, _ = np.reshape(figure["keypoints"], (17, 3)).T
        # A joint is in the middle of a limb, so that it is inside the outline.
        assert left - 1 <= x.min() <= x.max() <= left + width
        assert top - 1 <= y.min() <= y.max() <= top + height


def test_outlines_hold_what_is_seen_and_stay_in_the_box(coco):
    for item in coco["annotations"]:
        mask = outline(item)
        assert mask.sum() >= item["area"] - SPECKS
        rows, columns = np.nonzero(mask)
        left, top, width, height = item["bbox"]
        assert left <= columns.min() <= columns.max() < left + width
        assert top <= rows.min() <= rows.max() < top + height


def read_as_stored(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def outline(item):
    """The filled polygons of an annotation."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for polygon in item["segmentation"]:
        corners = np.reshape(polygon, (-1, 2)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1)
    return mask


def test_masks_count_the_pixels_of_the_annotations(coco, split, data_folder):
    for image in coco["images"]:
        name = image["file_name"].replace("jpg", "png")
        mask = read_as_stored(data_folder / "masks" / split / name)
        assert (mask.shape, mask.dtype) == ((SIDE, SIDE), np.uint8)
        areas = [0] * len(CLASSES)
        for item in coco["annotations"]:
            if item["image_id"] == image["id"]:
                areas[item["category_id"]] += item["area"]
        areas[0] = SIDE**2 - sum(areas)
        counts = np.bincount(mask.ravel(), minlength=len(CLASSES))
        assert np.abs(counts - areas).max() <= SPECKS


def test_depth_is_known_where_something_is(coco, split, data_folder):
    for image in coco["images"]:
        name = image["file_name"].replace("jpg", "png")
        mask, depth = (read_as_stored(data_folder / k / split / name) for k in LAYERS)
        assert (depth.shape, depth.dtype) == ((SIDE, SIDE), np.uint16)
        np.testing.assert_array_equal(depth > 0, mask > 0)


def test_what_looks_smaller_is_farther_away(coco, coco_set, split, data_folder):
    """Shoulders tell the height of a person, the box of a ball its radius."""
    sides = [coco_set.names.index(f"{side}_shoulder") for side in ("left", "right")]
    for item in coco["annotations"]:
        kind = CLASSES[item["category_id"]]
        _, _, width, height = item["bbox"]
        if kind == "person":
            left, right = np.reshape(item["keypoints"], (17, 3))[sides, :2]
            size, accuracy = np.linalg.norm(left - right) / (2 * SHOULDERS), 0.002
        elif kind == "ball" and width == height:  # not cut off
            size, accuracy = (width - 1) / 2, 0.05  # a radius is whole pixels
        else:
            continue
        name = f"{item['image_id']:06d}.png"
        mask, depth = (read_as_stored(data_folder / k / split / name) for k in LAYERS)
        expected = 1000 * TRUE_SIZES[kind] * SIDE / size
        found = depth[mask == item["category_id"]]
        assert np.abs(found / expected - 1).min() < accuracy


def test_every_image_has_an_action(split, data_folder, coco):
    path = data_folder / "annotations" / f"actions_{split}.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [i["file_name"] for i in coco["images"]]
    assert {row["action"] for row in rows} <= set(ACTIONS)
