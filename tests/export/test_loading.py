import os
import shutil
from functools import partial

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.integrity import Changes, changes
from hrnet_tf.export.verify import verify
from hrnet_tf.tasks import make_experiment, read_manifest
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.training.run import Run

IMAGE = np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)
BOXES = [(0, 0, 70, 90), (10, 20, 30, 40)]


@pytest.fixture(scope="module")
def expected(run_folder, tiny_model):
    manifest = read_manifest(Run.open(run_folder).manifest)
    return PosePredictor.from_model(tiny_model, manifest).predict(IMAGE, BOXES)


def assert_same_people(pose, expected):
    np.testing.assert_allclose(pose.scores, expected.scores, rtol=1e-4)
    np.testing.assert_allclose(pose.keypoints, expected.keypoints, atol=1e-3)


def test_a_run_is_opened_with_its_best_weights(run_folder, expected):
    assert_same_people(hrnet_tf.load(run_folder).predict(IMAGE, BOXES), expected)


def test_a_run_with_settings_looks_as_its_evaluation_with_them_does(
    shallow_run, shallow
):
    settings = ("evaluate.flip=false", "evaluate.refinement=none", "data.padding=1.5")
    run = Run.open(shallow_run, settings)
    evaluator = make_experiment(run.config).evaluator(read_manifest(run.manifest))
    found = hrnet_tf.load(shallow_run, overrides=settings).manifest
    assert found == evaluator.manifest
    assert found.decoding != hrnet_tf.load(shallow_run).manifest.decoding
    stored = hrnet_tf.load(shallow_run, overrides=["data.orientation=stored"])
    assert stored.manifest.input.orientation == "stored"


def test_settings_need_no_data(shallow_run, shallow):
    settings = ["evaluate.flip=true", "data.validation.annotations=nowhere.json"]
    assert hrnet_tf.load(shallow_run, overrides=settings).manifest.decoding.flip


def test_settings_of_an_export_are_fixed(exported):
    with pytest.raises(InputError, match=r"evaluate\.flip=true: settings are for runs"):
        hrnet_tf.load(exported["onnx"], overrides=["evaluate.flip=true"])


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


# What is not what was exported


@pytest.fixture
def copied(exported, tmp_path):
    """Artefacts with what lies beside them, far from their run."""
    for path in exported.values():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / path.name)
        for ending in (".json", ".npz"):
            shutil.copy(f"{path}{ending}", tmp_path)
    return {name: tmp_path / path.name for name, path in exported.items()}


def flip_bit(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "a bit": partial(flip_bit, place=0.5),
    "its end": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "more": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "nothing left": lambda path: path.write_bytes(b""),
}
PARTS = {
    "tflite": ".",
    "onnx": ".",
    "savedmodel": "saved_model.pb",
    "variables": "variables/variables.index",
    "warm-up": "assets.extra/tf_serving_warmup_requests",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_file_is_named_before_any_runtime_sees_it(part, damage, copied):
    path = copied[part if part in copied else "savedmodel"]
    DAMAGES[damage](path / PARTS[part])
    name = f"{path.name}/{PARTS[part]}".removesuffix("/.")
    with pytest.raises(hrnet_tf.InputError, match=f"not what was exported .{name}: al"):
        hrnet_tf.load(path)
    assert changes(path, path.with_name(f"{path.name}.json")).altered == (name,)


def test_a_tflite_file_that_would_end_the_process_is_refused(copied):
    path = copied["tflite"]
    content = bytearray(path.read_bytes())
    content[8:400] = bytes([0x7F]) * 392
    path.write_bytes(content)
    with pytest.raises(hrnet_tf.InputError, match="not what was exported"):
        hrnet_tf.load(path)
    assert not verify(path).ok  # it asks in a process of its own


def test_a_part_that_is_missing_is_named(copied):
    (copied["savedmodel"] / "variables/variables.index").unlink()
    with pytest.raises(hrnet_tf.InputError, match=r"1/variables/.*index: missing"):
        hrnet_tf.load(copied["savedmodel"])


@pytest.mark.parametrize("name", ["tflite", "savedmodel"])
def test_records_may_be_left_behind(name, copied):
    copied[name].with_name(f"{copied[name].name}.npz").unlink()
    assert hrnet_tf.load(copied[name]).manifest.task == "pose"


def test_renamed_artefacts_are_the_same(copied):
    for ending in ("", ".json", ".npz"):
        path = copied["onnx"]
        os.rename(f"{path}{ending}", f"{path.with_name('pose.onnx')}{ending}")
        os.rename(f"{copied['savedmodel']}{ending}", f"{path.with_name('4')}{ending}")
    for path in (copied["onnx"].with_name("pose.onnx"), copied["onnx"].with_name("4")):
        assert hrnet_tf.load(path).manifest.task == "pose"
        assert changes(path, path.with_name(f"{path.name}.json")) == Changes()


def test_a_savedmodel_alone_is_checked_too(exported, tmp_path):
    shutil.copytree(exported["savedmodel"], tmp_path / "7")
    flip_bit(tmp_path / "7" / "saved_model.pb", 0.3)
    with pytest.raises(hrnet_tf.InputError, match=r"7/saved_model\.pb: altered"):
        hrnet_tf.load(tmp_path / "7")


@pytest.mark.parametrize("name", ["onnx", "savedmodel"])
def test_manifests_that_are_damaged_or_of_something_else_are_refused(name, copied):
    path = copied[name]
    facts = path.with_name(f"{path.name}.json")
    whole = facts.read_text()
    facts.write_text(whole.replace('"padding": 1.25', '"padding": 1.75'))
    with pytest.raises(hrnet_tf.InputError, match=f"{facts.name}: altered"):
        hrnet_tf.load(path)
    shutil.copy(f"{copied['tflite']}.json", facts)
    with pytest.raises(hrnet_tf.InputError, match="not what was exported"):
        hrnet_tf.load(path)
    for broken in (whole[: len(whole) // 2], "", "[]", "\x00" * 40):
        facts.write_text(broken)
        with pytest.raises(hrnet_tf.InputError, match=facts.name):
            hrnet_tf.load(path)


def test_a_manifest_of_a_run_is_none_of_an_artefact(copied, run_folder):
    shutil.copy(run_folder / "manifest.json", f"{copied['onnx']}.json")
    with pytest.raises(hrnet_tf.InputError, match="tells nothing of the files of"):
        hrnet_tf.load(copied["onnx"])


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
