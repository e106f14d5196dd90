import csv
import json

import cv2
import numpy as np
import pytest

from hrnet_tf import read_image
from hrnet_tf.data.figures import ACTIONS, CLASSES, SIDE, draw_data_set

SPLITS = {"train": 12, "val": 6}  # what conftest draws
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
        path = data_folder / "masks" / split / name
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert (mask.shape, mask.dtype) == ((SIDE, SIDE), np.uint8)
        areas = [0] * len(CLASSES)
        for item in coco["annotations"]:
            if item["image_id"] == image["id"]:
                areas[item["category_id"]] += item["area"]
        areas[0] = SIDE**2 - sum(areas)
        counts = np.bincount(mask.ravel(), minlength=len(CLASSES))
        assert np.abs(counts - areas).max() <= SPECKS


def test_every_image_has_an_action(split, data_folder, coco):
    path = data_folder / "annotations" / f"actions_{split}.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [i["file_name"] for i in coco["images"]]
    assert {row["action"] for row in rows} <= set(ACTIONS)
