"""Predictors behind a detector: everybody in an image, without boxes from outside."""

import json

import numpy as np
import pytest

from hrnet_tf import InputError
from hrnet_tf.export.loading import load, with_detector
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import TASKS
from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.viewer import PoseViewer
from hrnet_tf.training.media import predict_files
from support.spots import spot_image, spot_manifest, spot_network

SPOTS = [(30, 20), (20, 40), (50, 45)]
IMAGE = spot_image((60, 80), SPOTS, radius=4)


class BrightParts:
    """Finds what is bright in an image, and doubts a box that is half as large."""

    class_names = ("ball", "person")

    def boxes_of(self, image, name):
        """One sure box around all that is bright, one that is unsure, one empty."""
        assert name == "person"
        y, x = np.nonzero(image.max(axis=-1) > 100)
        left, top, right, bottom = x.min(), y.min(), x.max() + 1, y.max() + 1
        whole = [left, top, right - left, bottom - top]
        half = [left, top, (right - left) / 2, bottom - top]
        boxes = np.array([whole, half, [80, 0, 0, 9]], np.float32)
        return boxes, np.array([0.9, 0.2, 0.8], np.float32)


@pytest.fixture(scope="module")
def pose():
    return PosePredictor.from_model(spot_network(), spot_manifest())


def test_everybody_that_the_detector_is_sure_of_is_looked_at(pose):
    found = with_detector(pose, BrightParts()).predict(IMAGE)

    boxes, _ = BrightParts().boxes_of(IMAGE, "person")
    expected = pose.predict(IMAGE, boxes[:1], [0.9])
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_allclose(found.box_scores, [0.9])
    np.testing.assert_allclose(found.keypoints[0], SPOTS, atol=2)


def test_boxes_of_ones_own_win_over_the_detector(pose):
    found = with_detector(pose, BrightParts()).predict(IMAGE, [[0, 0, 80, 60]])

    np.testing.assert_array_equal(found.boxes, [[0, 0, 80, 60]])


def test_where_nobody_is_found_the_answer_is_empty(pose):
    predictor = BehindDetector(pose, BrightParts(), "person", least_score=0.95)

    assert predictor.predict(IMAGE).keypoints.shape == (0, 3, 2)


def test_files_are_looked_at_through_the_detector(pose, tmp_path):
    write_image(tmp_path / "images" / "7.png", IMAGE)
    predictor = with_detector(pose, BrightParts())

    for threshold, people in ((0.3, 1), (0.85, 1), (0.95, 0)):
        out = tmp_path / str(threshold)
        viewer = PoseViewer(predictor, box_threshold=threshold)
        predict_files(viewer, tmp_path / "images", out)
        entries = json.loads((out / "keypoints.json").read_text())
        assert [entry["image_id"] for entry in entries] == [7] * people
    assert viewer.detected


def test_boxes_of_a_file_and_a_detector_exclude_each_other(pose, tmp_path):
    (tmp_path / "boxes.json").write_text("[]")

    with pytest.raises(InputError, match=r"boxes\.json or found by a detector"):
        PoseViewer(with_detector(pose, BrightParts()), tmp_path / "boxes.json")


def test_what_is_no_detector_is_refused(pose, tmp_path):
    with pytest.raises(InputError, match="a model of the task pose, which does not"):
        with_detector(pose, pose)
    with pytest.raises(InputError, match=r"There is no .*nowhere"):
        with_detector(pose, tmp_path / "nowhere")


def test_a_detector_of_other_things_is_refused(pose):
    class Balls(BrightParts):
        class_names = ("ball",)

    with pytest.raises(InputError, match=r"the class 'person', .* it finds ball"):
        with_detector(pose, Balls())


def test_only_models_that_take_boxes_take_a_detector(shallow_run, shallow):
    looked_at = {name: task.looks_at for name, task in TASKS.items() if task.looks_at}
    assert {name: found.name for name, found in looked_at.items()} == {
        "pose": "person",
        "landmarks": "face",
    }
    predictor = load(shallow_run, detector=BrightParts())
    assert predictor.manifest.task == "pose"
    predictor.predictor.manifest = type("Other", (), {"task": "segmentation"})()
    with pytest.raises(InputError, match="this one is of segmentation"):
        with_detector(predictor.predictor, BrightParts())
