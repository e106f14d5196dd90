"""A detector and what looks at its boxes in one SavedModel."""

import json
import logging
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from hrnet_tf.common.errors import InputError
from hrnet_tf.export import artefacts
from hrnet_tf.export import compare_found as comparison
from hrnet_tf.export import verify as verify_module
from hrnet_tf.export.compare import ExportError
from hrnet_tf.export.compare_found import compare_found
from hrnet_tf.export.finding import Finder
from hrnet_tf.export.integrity import changes
from hrnet_tf.export.loading import load
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import call_signature
from hrnet_tf.export.savedmodel import DETECTOR, write_savedmodel
from hrnet_tf.export.warmup import WARMUP
from hrnet_tf.networks.fold import fold
from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from hrnet_tf.tasks.keypoints.manifest import HeatmapOutput
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.manifest import LandmarkDecoding, LandmarkManifest
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor
from hrnet_tf.tasks.pose.predictor import PosePredictor
from support.bright import SURE, bright_detector, bright_manifest
from support.detectors import CLASSES, NARROW, tiny_detector
from support.served import TINY
from support.spots import COLORS, people_image, spot_manifest, spot_network

pytestmark = pytest.mark.usefixtures("unimproved")

# Red, green and blue of one person in either half, and of one alone at the left.
LEFT, RIGHT = [(30, 20), (18, 50), (46, 44)], [(110, 30), (96, 66), (124, 60)]
SIZES = [(90, 150), (90, 150), (60, 130)]
PEOPLE = [[LEFT, RIGHT], [], [LEFT]]
IMAGES = [people_image(*pair) for pair in zip(SIZES, PEOPLE, strict=True)]
FILES = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in IMAGES]
SAMPLES = {
    "crops": np.zeros((2, 64, 48, 3), np.uint8),
    "image_bytes": np.frombuffer(FILES[0], np.uint8),
    "boxes": np.array([[0, 0, 150, 90]], np.float32),
}
TOYS = replace(bright_manifest(), classes=ObjectClasses("toys", CLASSES))


@pytest.fixture
def detector_run(tmp_path):
    """`detector_run(manifest)`: a run as training leaves it, without samples."""

    def make(manifest):
        folder = tmp_path / manifest.classes.names[-1]
        folder.mkdir()
        part = {"annotations": "instances.json", "images": "images"}
        network = json.loads(json.dumps({**TINY, **NARROW}))  # tuples become lists
        config = {
            "task": "detection",
            "model": network,
            "data": {"train": part, "validation": dict(part)},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        manifest.write(folder / "manifest.json")
        return folder

    return make


@pytest.fixture(scope="module")
def finder():
    return Finder(bright_detector(), bright_manifest(), "person", "people")


@pytest.fixture(scope="module")
def folder(finder, tmp_path_factory):
    target = tmp_path_factory.mktemp("together") / "1"
    options = Options(samples=SAMPLES, detector=finder)
    write_savedmodel(spot_network(), spot_manifest(), target, options)
    return target


@pytest.fixture(scope="module")
def call(folder):
    """`call("people", files, ...)`: what a signature answers, by name."""
    loaded = tf.saved_model.load(str(folder))

    def ask(name, files, **given):
        answers = loaded.signatures[name](image_bytes=tf.constant(files), **given)
        return {key: value.numpy() for key, value in answers.items()}

    return ask


@pytest.fixture
def answered_here(call, monkeypatch):
    """The SavedModel answers in this process: a fresh one takes seconds to start."""

    def ask(artefact, signature, inputs):
        return call(signature.name, [inputs["image_bytes"].tobytes()])

    monkeypatch.setattr(comparison, "ask_in_fresh_process", ask)


def behind(finder, predictor):
    """Both in Python."""
    detector = DetectionPredictor.from_network(
        lambda image: finder.model(image), finder.manifest
    )
    return BehindDetector(predictor, detector, finder.name)


def test_everybody_is_found_and_looked_at_as_in_python(call, finder):
    pose = PosePredictor.from_model(spot_network(), spot_manifest())
    both = behind(finder, pose)

    found = call("people", FILES)

    assert found["people"].tolist() == [2, 0, 1]
    assert found["keypoints"].shape == (3, 2, 3, 2)
    np.testing.assert_allclose(
        found["box_scores"],
        [[SURE["right"], SURE["left"]], [0, 0], [SURE["left"], 0]],
    )
    for row, image in enumerate(IMAGES):
        count, expected = found["people"][row], both.predict(image)
        assert count == len(expected.boxes)
        # A pixel of a crop may be rounded otherwise, which is a 255th.
        for name, most in {"boxes": 1e-3, "keypoints": 0.1, "scores": 0.01}.items():
            np.testing.assert_allclose(
                found[name][row, :count], getattr(expected, name), atol=most
            )
            assert not found[name][row, count:].any()
    known = [RIGHT, LEFT], [LEFT]
    for row, points in zip((0, 2), known, strict=True):
        own = found["keypoints"][row, : len(points)]
        np.testing.assert_allclose(own, points, atol=2.5)


def test_images_without_anybody_are_answered(call):
    found = call("people", FILES[1:2])

    assert found["people"].tolist() == [0]
    assert found["boxes"].shape == (1, 0, 4)
    assert found["keypoints"].shape == (1, 0, 3, 2)


def test_the_other_signatures_are_there_as_before(call):
    boxes = tf.constant([[[80.0, 10.0, 60.0, 75.0]]])
    found = call("keypoints", FILES[:1], boxes=boxes, people=tf.constant([1]))

    np.testing.assert_allclose(found["keypoints"][0, 0], RIGHT, atol=2.5)


def test_each_signature_is_warmed_up_and_the_detectors_facts_are_kept(folder, finder):
    records = tf.data.TFRecordDataset(str(folder / WARMUP)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    requests = [log.predict_log.request for log in logs]
    names = [request.model_spec.signature_name for request in requests]
    assert names == ["serving_default", "keypoints", "people"]
    assert list(requests[2].inputs) == ["image_bytes"]
    assert requests[2].inputs["image_bytes"].string_val[:] == FILES[:1]
    facts = json.loads((folder / DETECTOR).read_text())
    assert (facts["task"], facts["scale"]) == ("detection", [96, 64])


def test_faces_are_found_for_landmarks(tmp_path):
    crop = keras.Input((64, 64, 3), name="image")
    model = keras.Model(crop, keras.layers.Conv2D(3, 1, strides=4)(crop))
    model.set_weights(spot_network().get_weights())
    tips = LandmarkSet("tips", COLORS.names, (("green", "blue"),))
    given = ImageInput(64, 64), HeatmapOutput(16, 16, 4), tips, LandmarkDecoding()
    manifest = LandmarkManifest("tips", *given)
    finder = Finder(bright_detector(), bright_manifest("face"), "face", "faces")
    write_savedmodel(model, manifest, tmp_path / "1", Options(detector=finder))

    found = call_signature(tmp_path / "1", "faces", {"image_bytes": np.array(FILES)})

    both = behind(finder, LandmarkPredictor.from_model(model, manifest))
    assert found["people"].tolist() == [2, 0, 1]
    for row, image in enumerate(IMAGES):
        count, expected = found["people"][row], both.predict(image)
        np.testing.assert_allclose(
            found["landmarks"][row, :count], expected.landmarks, atol=0.1
        )
    np.testing.assert_allclose(found["landmarks"][2, 0], LEFT, atol=4)


# Exported


def as_trained(folder):
    """Give the run of a detector weights, and return these."""
    (folder / "checkpoints").mkdir()
    model = tiny_detector(**NARROW)
    model.save(folder / "checkpoints" / "best.keras")
    return model.get_weights()


def test_the_detector_of_a_run_is_what_was_trained(detector_run, shallow):
    folder = detector_run(TOYS)
    expected = as_trained(folder)

    found = Finder.open(folder, spot_manifest())

    assert (found.name, found.signature, found.manifest) == ("person", "people", TOYS)
    for own, other in zip(found.model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_run_is_exported_with_a_detector(
    shallow_run, finder, shallow, asked_here, monkeypatch, tmp_path
):
    opened, compared = [], []

    def find(folder, manifest):
        opened.append((folder, manifest.task))
        return finder

    monkeypatch.setattr(artefacts.Finder, "open", find)
    answers = {"people/boxes": np.float32([[[20, 30, 40, 50]]])}

    def compare(artefact, model, manifest, finder, samples):
        compared.append(finder)
        return answers

    monkeypatch.setattr(artefacts, "compare_found", compare)
    files = artefacts.export_run(
        shallow_run, ["savedmodel"], tmp_path / "out", detector="runs/toys"
    )

    assert opened == [("runs/toys", "pose")]
    assert compared == [finder]
    saved = (files["savedmodel"] / "saved_model.pb").read_bytes()
    signatures = saved_model_pb2.SavedModel.FromString(saved).meta_graphs[0]
    assert {"serving_default", "keypoints", "people"} <= set(signatures.signature_def)
    assert not changes(files["savedmodel"], tmp_path / "out" / "1.json").lines()
    asked = []

    def ask(artefact, manifest, name, inputs):
        asked.append((name, {"images", "image_bytes"} <= inputs.keys()))
        return answers

    monkeypatch.setattr(verify_module, "ask_about_found", ask)
    result = verify_module.verify(files["savedmodel"])
    assert asked == [("people", True)]
    assert result.differences["people/boxes"] == 0
    answers["people/boxes"] = answers["people/boxes"] + 1
    assert not verify_module.verify(files["savedmodel"]).ok


@pytest.mark.slow
def test_two_runs_become_one_saved_model(
    shallow_run, detector_run, data_folder, shallow, tmp_path
):
    folder = detector_run(TOYS)
    as_trained(folder)

    files = artefacts.export_run(
        shallow_run, ["savedmodel"], tmp_path / "out", detector=folder
    )

    photo = next((data_folder / "images" / "val").iterdir())
    answers = call_signature(
        files["savedmodel"], "people", {"image_bytes": np.array([photo.read_bytes()])}
    )
    expected = load(shallow_run, detector=folder).predict(photo)
    assert len(expected.boxes)
    np.testing.assert_allclose(answers["boxes"][0], expected.boxes, atol=0.1)
    np.testing.assert_allclose(answers["box_scores"][0], expected.box_scores, atol=1e-3)
    result = verify_module.verify(files["savedmodel"])
    assert result.ok, result.report()
    told = {"boxes", "box_scores", "people", "keypoints", "scores"}
    assert {f"people/{name}" for name in told} <= result.differences.keys()


# Compared


def test_what_is_exported_together_is_compared(folder, finder, answered_here):
    compare_found(folder, spot_network(), spot_manifest(), finder, SAMPLES)


@pytest.mark.parametrize("other", ["people", "scores"])
def test_what_answers_otherwise_is_refused(other, folder, finder, answered_here):
    pose = spot_network()
    if other == "people":
        finder = replace(finder, least_score=0.7)  # one of two
    else:
        pose.set_weights([1.1 * weight for weight in pose.get_weights()])
    with pytest.raises(ExportError, match=f"{other} of the signature people differ"):
        compare_found(folder, pose, spot_manifest(), finder, SAMPLES)


def test_a_detector_whose_graph_answers_otherwise_is_refused(
    folder, finder, monkeypatch
):
    def darker(model):
        if model is finder.model:
            model = bright_detector()
            model.set_weights([weight * 0.5 for weight in model.get_weights()])
        return fold(model)

    monkeypatch.setattr(comparison, "fold", darker)
    with pytest.raises(ExportError, match="of the folded detector differ"):
        compare_found(folder, spot_network(), spot_manifest(), finder, SAMPLES)


def test_it_is_said_where_nobody_was_found_to_compare(
    folder, finder, answered_here, caplog
):
    empty = {**SAMPLES, "image_bytes": np.frombuffer(FILES[1], np.uint8)}
    with caplog.at_level(logging.WARNING):
        compare_found(folder, spot_network(), spot_manifest(), finder, empty)
    assert "the detector finds no person in the sample image" in caplog.text


# Refused


def test_a_run_that_is_no_detector_is_refused(run_folder):
    with pytest.raises(InputError, match="is of pose, which finds no boxes"):
        Finder.open(run_folder, spot_manifest())
    with pytest.raises(InputError, match=r"this one is of detection, and takes none"):
        Finder.open(run_folder, bright_manifest())


def test_a_detector_of_something_else_is_refused(detector_run):
    with pytest.raises(InputError, match=r"must find the class 'person', .*ball, cat"):
        Finder.open(detector_run(bright_manifest("cat")), spot_manifest())
    stored = bright_manifest(orientation="stored")
    with pytest.raises(InputError, match=r"image files stored, the model .* upright"):
        Finder.open(detector_run(stored), spot_manifest())


def test_a_detector_needs_a_format_that_holds_it():
    artefacts.check_served(["tflite", "savedmodel"])
    with pytest.raises(InputError, match="into savedmodel alone, and the formats are"):
        artefacts.check_served(["tflite", "onnx"])
