"""Folders and videos through a viewer: several images at once, threads around it."""

import json
import threading

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.images.pictures import write_image, write_note
from hrnet_tf.tasks.base.finding_viewer import Shown, found_in
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.base.viewer import Viewer
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.predictor import ImageClassifier
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.viewer import PoseViewer
from hrnet_tf.training import looking
from hrnet_tf.training.media import predict_files
from support.spots import spot_image, spot_manifest, spot_network


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


@pytest.fixture
def images(rng):
    """Thirteen images of several sizes; more than are seen at once."""
    found = []
    for number in range(13):
        points = rng.integers(10, 45, (3, 2))
        found.append(spot_image((60 + 7 * (number % 3), 80), points, radius=4))
    return found


@pytest.fixture
def folder(images, tmp_path):
    for number, image in enumerate(images):
        write_image(tmp_path / "in" / f"{number}.png", image)
    return tmp_path / "in"


def entries_in(out, name="keypoints.json"):
    return json.loads((out / name).read_text())


def test_several_images_at_once_answer_as_one_by_one(
    predictor, images, folder, tmp_path
):
    sizes = []

    def answer(crops):
        sizes.append(len(crops))
        return predictor.answer(crops)

    counted = PosePredictor(answer, predictor.manifest)
    predict_files(PoseViewer(counted), folder, tmp_path / "out")
    assert sizes == [8, 5]
    found = {entry["image_id"]: entry for entry in entries_in(tmp_path / "out")}
    assert list(found) == sorted(range(13), key=str)  # in the order of the names
    for number, image in enumerate(images):
        (expected,) = predictor.predict(image).to_coco(number)
        assert found[number]["bbox"] == expected["bbox"]
        np.testing.assert_allclose(
            found[number]["keypoints"], expected["keypoints"], atol=0.01
        )
    drawn = hrnet_tf.read_image(tmp_path / "out" / "3.jpg")
    viewer = PoseViewer(predictor)
    write_image(tmp_path / "alone.jpg", viewer.look("3.png", 3, images[3]))
    np.testing.assert_array_equal(drawn, hrnet_tf.read_image(tmp_path / "alone.jpg"))


def test_people_of_several_images_come_back_to_their_own(predictor, images):
    boxes = [[[0, 0, 80, 60], [5, 5, 60, 50]], [], None]
    scores = [[0.5, 0.25], [], None]
    found = predictor.predict_several(images[:3], boxes, scores)
    assert [len(pose) for pose in found] == [2, 0, 1]
    for image, own, sure, pose in zip(images, boxes, scores, found, strict=False):
        alone = predictor.predict(image, own, sure)
        np.testing.assert_allclose(pose.keypoints, alone.keypoints, atol=1e-4)
        np.testing.assert_array_equal(pose.box_scores, alone.box_scores)


def test_an_answer_that_is_not_finite_stops_where_it_did(
    predictor, images, folder, tmp_path
):
    write_image(folder / "4.png", np.full((60, 80, 3), 255, np.uint8))

    def answer(crops):
        cells, scores = predictor.answer(crops)
        bad = crops.mean(axis=(1, 2, 3)) > 60
        return cells, np.where(bad[:, None], np.nan, scores)

    dead = PosePredictor(answer, predictor.manifest)
    out = tmp_path / "out"
    with pytest.raises(hrnet_tf.InputError, match="answers are not finite"):
        predict_files(PoseViewer(dead), folder, out)
    # In the order of their names: 0, 1, 10, 11, 12, 2, 3, then the bad one.
    names = sorted(path.name for path in out.iterdir())
    assert names == ["0.jpg", "1.jpg", "10.jpg", "11.jpg", "12.jpg", "2.jpg", "3.jpg"]


def test_images_before_one_at_fault_are_found(predictor, images):
    viewer = PoseViewer(predictor)
    shown = [Shown(f"{n}.png", n, image) for n, image in enumerate(images[:2])]
    wrong = Shown("x.png", "x", images[0].astype(np.float32))
    found = found_in(viewer, [*shown, wrong])
    assert len(next(found).pose) == len(next(found).pose) == 1
    with pytest.raises(hrnet_tf.InputError, match="uint8"):
        next(found)


class BrightnessViewer(Viewer):
    """As a task of one's own has it: it looks at one image, and writes of the last."""

    file_name = "brightness.json"
    thread = None

    def look(self, name, image_id, image):
        self.thread = self.thread or threading.current_thread()
        assert threading.current_thread() is self.thread
        self.last = float(image.mean())
        self.entries.append({"image_id": image_id, "brightness": self.last})
        return write_note(image, "a note")

    def count(self):
        return f"{len(self.entries)} numbers"

    def write_more(self, folder, stem):
        (folder / f"{stem}.txt").write_text(str(self.last))


def test_a_viewer_of_ones_own_writes_of_each_image(predictor, images, folder, tmp_path):
    out = tmp_path / "out"
    summary = predict_files(BrightnessViewer(predictor), folder, out)
    assert summary.images == 13
    for number, image in enumerate(images):
        assert float((out / f"{number}.txt").read_text()) == float(image.mean())
        assert (out / f"{number}.jpg").is_file()


def test_large_images_are_seen_alone(monkeypatch):
    monkeypatch.setattr(looking, "PIXELS_TOGETHER", 100)
    shown = [Shown("a", 0, np.zeros((side, side, 3), np.uint8)) for side in (5, 8, 20)]
    groups = [[x.image.shape[0] for x in g] for g in looking.in_groups(shown, 8)]
    assert groups == [[5, 8], [20]]


def test_several_images_are_classified_as_one_by_one(images):
    manifest = ClassificationManifest(
        "colours", ImageInput(32, 32), ("red", "green", "blue")
    )
    classifier = ImageClassifier.from_network(
        lambda x: 3 * tf.reduce_mean(x, axis=(1, 2)), manifest
    )
    found = classifier.predict_several(images)
    assert np.ptp([answer.probabilities for answer in found], axis=0).min() > 0.001
    for image, answer in zip(images, found, strict=True):
        alone = classifier.predict(image).probabilities
        np.testing.assert_allclose(answer.probabilities, alone, rtol=1e-5)
