import json
from collections import Counter

import cv2
import numpy as np
import pytest
from pycocotools import mask as run_lengths

from hrnet_tf.drawn.annotations import instance_annotation
from hrnet_tf.drawn.figures import CLASSES, SIDE
from hrnet_tf.drawn.objects import draw_object_data_set
from hrnet_tf.tasks.keypoints.outlines import check_outline, pixels_inside


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    draw_object_data_set(folder, train=24, validation=1)
    return folder


@pytest.fixture(scope="module")
def instances(folder):
    path = folder / "annotations" / "instances_train.json"
    return json.loads(path.read_text())


def test_images_show_several_objects_of_all_kinds(instances):
    found = instances["annotations"]
    assert {each["category_id"] for each in found} == {1, 2, 3}
    counts = Counter(each["image_id"] for each in found)
    assert len(counts) == 24
    assert np.mean(list(counts.values())) > 3
    assert max(counts.values()) >= 6
    names = {each["id"]: each["name"] for each in instances["categories"]}
    assert names == dict(enumerate(CLASSES[1:], 1))


def test_outlines_are_the_pixels_that_are_seen(instances, folder):
    forms = set()
    by_image = {image["id"]: image["file_name"] for image in instances["images"]}
    for number, name in by_image.items():
        file = folder / "masks" / "train" / name.replace("jpg", "png")
        classes = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        taken = np.zeros((SIDE, SIDE), bool)
        for each in instances["annotations"]:
            if each["image_id"] != number:
                continue
            outline = check_outline(each["segmentation"], (SIDE, SIDE))
            forms.add(type(outline))
            pixels = pixels_inside(outline, (SIDE, SIDE))
            assert pixels.sum() == each["area"]
            assert (classes[pixels] == each["category_id"]).all()
            assert not (taken & pixels).any()
            taken |= pixels
            rows, columns = np.nonzero(pixels)
            left, top, width, height = each["bbox"]
            assert (columns.min(), columns.max() + 1) == (left, left + width)
            assert (rows.min(), rows.max() + 1) == (top, top + height)
    assert forms == {list, dict}  # polygons, and run lengths of what is in pieces


def test_objects_cover_one_another(instances):
    polygons = [isinstance(each["segmentation"], list) for each in _of(instances)]
    assert 0.05 < 1 - np.mean(polygons) < 0.8


def _of(instances):
    return instances["annotations"]


def test_what_is_hardly_seen_is_no_instance():
    whole = np.zeros((SIDE, SIDE), bool)
    whole[10:60, 10:60] = True
    seen = whole & (np.arange(SIDE) < 14)
    assert instance_annotation(whole, seen, 1) is None
    seen = whole & (np.arange(SIDE) < 16)
    found = instance_annotation(whole, seen, 1)
    assert found["bbox"] == [10, 10, 6, 50]
    assert run_lengths.area(
        run_lengths.merge(run_lengths.frPyObjects(found["segmentation"], SIDE, SIDE))
    ) == int(seen.sum())


def test_a_data_set_of_an_older_version_gets_its_instances(tmp_path):
    draw_object_data_set(tmp_path, train=1, validation=1)
    path = tmp_path / "annotations" / "instances_train.json"
    written = path.read_bytes()
    path.unlink()
    draw_object_data_set(tmp_path, train=1, validation=1)
    assert path.read_bytes() == written
