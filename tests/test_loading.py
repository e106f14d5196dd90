import shutil

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.experiments import make_experiment
from hrnet_tf.manifest import Manifest
from hrnet_tf.predictors.pose import PosePredictor
from hrnet_tf.run import Run

IMAGE = np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)
BOXES = [(0, 0, 70, 90), (10, 20, 30, 40)]


@pytest.fixture(scope="module")
def expected(run_folder, tiny_model):
    manifest = Manifest.read(Run.open(run_folder).manifest)
    return PosePredictor.from_model(tiny_model, manifest).predict(IMAGE, BOXES)


def assert_same_people(pose, expected):
    np.testing.assert_allclose(pose.scores, expected.scores, rtol=1e-4)
    np.testing.assert_allclose(pose.keypoints, expected.keypoints, atol=1e-3)


def test_a_run_is_opened_with_its_best_weights(run_folder, expected):
    assert_same_people(hrnet_tf.load(run_folder).predict(IMAGE, BOXES), expected)


@pytest.mark.parametrize("name", ["savedmodel", "tflite", "onnx"])
def test_an_artefact_is_opened_with_the_facts_beside_it(name, exported, expected):
    predictor = hrnet_tf.load(str(exported[name]))
    assert_same_people(predictor.predict(IMAGE, BOXES), expected)
    assert predictor.manifest.keypoints.names[0] == "nose"


def test_an_artefact_is_opened_wherever_it_lies(exported, expected, tmp_path):
    for name in ("model.onnx", "model.onnx.json"):
        shutil.copy(exported["onnx"].with_name(name), tmp_path / name)
    pose = hrnet_tf.load(tmp_path / "model.onnx").predict(IMAGE, BOXES)
    assert_same_people(pose, expected)


def test_a_savedmodel_alone_is_opened_by_its_own_manifest(exported, expected, tmp_path):
    shutil.copytree(exported["savedmodel"], tmp_path / "7")
    pose = hrnet_tf.load(tmp_path / "7").predict(IMAGE, BOXES)
    assert_same_people(pose, expected)


def test_flipping_is_as_the_manifest_says_unless_asked_for(run_folder, exported):
    assert hrnet_tf.load(exported["onnx"]).manifest.decoding.flip is False
    assert hrnet_tf.load(exported["onnx"], flip=True).manifest.decoding.flip is True
    assert hrnet_tf.load(run_folder, flip=True).manifest.decoding.flip is True


def test_flipping_is_the_same_for_a_run_and_its_export(run_folder, exported):
    run, onnx = (
        hrnet_tf.load(path, flip=True).predict(IMAGE, BOXES)
        for path in (run_folder, exported["onnx"])
    )
    assert_same_people(onnx, run)


def test_a_path_where_nothing_is_is_named():
    with pytest.raises(hrnet_tf.InputError, match="There is no nowhere/model; give"):
        hrnet_tf.load("nowhere/model")


def test_an_artefact_without_its_facts_is_refused(exported, tmp_path):
    shutil.copy(exported["tflite"], tmp_path / "model.tflite")
    with pytest.raises(hrnet_tf.InputError, match=r"no manifest model\.tflite\.json"):
        hrnet_tf.load(tmp_path / "model.tflite")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(hrnet_tf.InputError, match="neither a run nor an exported"):
        hrnet_tf.load(tmp_path)


def test_facts_without_an_artefact_are_refused(tiny_manifest, tmp_path):
    (tmp_path / "model").mkdir()
    tiny_manifest.write(tmp_path / "model.json")
    with pytest.raises(hrnet_tf.InputError, match="no SavedModel folder and none of"):
        hrnet_tf.load(tmp_path / "model")


def test_a_run_without_weights_is_refused(experiment, tmp_path):
    config = hrnet_tf.read_config(experiment, [f"output={tmp_path}/new"])
    Run.prepare(config).create(make_experiment(config).make_manifest())
    with pytest.raises(hrnet_tf.InputError, match="has no trained weights yet"):
        hrnet_tf.load(tmp_path / "new")
