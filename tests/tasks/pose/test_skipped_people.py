"""Under `data.on_error=skip` nobody is judged in images that cannot be read."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hrnet_tf import InputError
from hrnet_tf.common.typed_yaml import write_config
from hrnet_tf.tasks.pose.config import DataSection, EvaluateSection
from hrnet_tf.tasks.pose.evaluator import PoseEvaluator
from hrnet_tf.tasks.pose.predictor import PosePredictor
from support.spots import spot_manifest, spot_network, write_crowd

SETTINGS = EvaluateSection(flip=False, refinement="none", batch_size=3)


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


@pytest.fixture
def section(tmp_path, rng):
    return write_crowd(tmp_path, rng)


@pytest.fixture
def judge(predictor, tmp_path):
    """Evaluate on a section: `judge(section)`."""

    def evaluate(section):
        write_config(predictor.manifest.keypoints, tmp_path / "spots.yaml")
        data = DataSection(section, section, str(tmp_path / "spots.yaml"), "skip")
        evaluator = PoseEvaluator(data, SETTINGS, predictor.manifest)
        first = evaluator.evaluate(predictor)
        assert evaluator.evaluate(predictor) == first  # as after every epoch
        return first

    return evaluate


def without(section, image_ids, folder):
    """The same data set without some images."""
    data = json.loads(Path(section.annotations).read_text())
    boxes = json.loads(Path(section.boxes or "").read_text()) if section.boxes else None
    images = [i for i in data["images"] if i["id"] not in image_ids]
    kept = [a for a in data["annotations"] if a["image_id"] not in image_ids]
    data |= {"images": images, "annotations": kept}
    (folder / "fewer.json").write_text(json.dumps(data))
    if boxes is None:
        return replace(section, annotations=str(folder / "fewer.json"))
    boxes = [box for box in boxes if box["image_id"] not in image_ids]
    (folder / "fewer_boxes.json").write_text(json.dumps(boxes))
    return replace(
        section,
        annotations=str(folder / "fewer.json"),
        boxes=str(folder / "fewer_boxes.json"),
    )


@pytest.mark.parametrize("detected", [False, True])
def test_people_of_images_that_cannot_be_read_do_not_count(
    detected, section, judge, tmp_path
):
    if not detected:
        section = replace(section, boxes=None)
    images = Path(section.images)
    (images / "0.png").unlink()  # id 3: found when files are listed
    (images / "2.png").write_bytes(b"no image")  # id 1: found when files are read
    found = judge(section)
    expected = judge(without(section, {1, 3}, tmp_path))
    assert found.unread == (1, 3)
    assert found.statistics == expected.statistics
    assert expected.statistics["AR"] > 0.5
    assert "2 images are missing or cannot be read: nobody in them" in found.table()
    assert "missing" not in expected.table()
    assert found.facts()["unread_images"] == [1, 3]


def test_a_missing_image_without_boxes_does_not_count_either(section, judge, tmp_path):
    boxes = json.loads(Path(section.boxes).read_text())
    kept = [box for box in boxes if box["image_id"] not in (0, 3)]
    Path(section.boxes).write_text(json.dumps(kept))
    (Path(section.images) / "0.png").unlink()  # id 3; 0 is there and is missed
    found = judge(section)
    assert found.unread == (3,)
    assert found.statistics == judge(without(section, {3}, tmp_path)).statistics


def test_broken_annotations_are_not_missed(section, judge):
    section = replace(section, boxes=None)
    whole = judge(section).statistics["AR"]
    data = json.loads(Path(section.annotations).read_text())
    data["annotations"][0]["bbox"] = [500, 8, 46, 70]  # outside
    Path(section.annotations).write_text(json.dumps(data))
    assert judge(section).statistics["AR"] == pytest.approx(whole, abs=0.1)


def test_nothing_to_read_is_an_error(section, judge):
    for path in Path(section.images).iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"none of \d+ samples can be read"):
        judge(section)


def test_samples_come_from_images_that_can_be_read(section, predictor, tmp_path):
    write_config(predictor.manifest.keypoints, tmp_path / "spots.yaml")
    (Path(section.images) / "0.png").write_bytes(b"no image")
    data = DataSection(section, section, str(tmp_path / "spots.yaml"), "skip")
    samples = PoseEvaluator(data, SETTINGS, predictor.manifest).samples()
    whole = np.fromfile(Path(section.images) / "1.png", np.uint8)
    np.testing.assert_array_equal(samples["image_bytes"], whole)
