"""Exports of moved data, and exports that end before they are finished."""

import contextlib
import shutil

import pytest

import hrnet_tf
from hrnet_tf.arguments import parser
from hrnet_tf.export import artefacts as artefacts_module
from hrnet_tf.export.artefacts import export_model, export_run
from hrnet_tf.export.integrity import Changes, changes
from hrnet_tf.export.options import Options
from hrnet_tf.tasks import read_manifest
from hrnet_tf.training.run import Run
from support.networks import rescaled, shallow_networks


@pytest.fixture(scope="module")
def exported_once(shallow_run, tmp_path_factory):
    """An ONNX file of the run."""
    with shallow_networks():
        made = export_run(shallow_run, ["onnx"], tmp_path_factory.mktemp("once"))
    return made["onnx"]


@pytest.mark.parametrize("moved", range(4))
def test_an_export_that_is_killed_is_none_that_is_taken_for_good(
    moved, exported_once, shallow_run, shallow, tmp_path, monkeypatch
):
    """Between the moves of an artefact, its record and its manifest."""
    for ending in ("", ".json", ".npz"):
        shutil.copy(f"{exported_once}{ending}", tmp_path)
    path, put = tmp_path / "model.onnx", artefacts_module.put
    before, left = path.read_bytes(), iter(range(moved))

    def die(source, target):
        if next(left, None) is None:
            raise KeyboardInterrupt
        put(source, target)

    monkeypatch.setattr(artefacts_module, "put", die)
    run = Run.open(shallow_run)
    manifest, samples = read_manifest(run.manifest), run.read_samples()
    with contextlib.suppress(KeyboardInterrupt):
        export_model(
            rescaled(run.model(), 1.5), manifest, samples, {"onnx": path}, Options()
        )
    facts = path.with_name("model.onnx.json")
    if moved in (0, 3):  # all of the old one, or of the new one
        assert changes(path, facts) == Changes()
        assert (path.read_bytes() == before) == (moved == 0)
        return
    with pytest.raises(hrnet_tf.InputError, match="not what was exported"):
        hrnet_tf.load(path)


@pytest.mark.parametrize("command", ["export", "benchmark"])
def test_settings_stand_before_and_after_options(command):
    settings = ["data.train.images=FOLDER", "data.train.annotations=FILE"]
    words = [command, "RUN", settings[0], "--format", "tflite", "onnx", settings[1]]
    arguments = parser().parse_args(words)
    assert (arguments.run, arguments.settings) == ("RUN", settings)
    assert arguments.format == ["tflite", "onnx"]


def test_moved_training_images_are_named_for_calibration(
    shallow_run, shallow, tmp_path
):
    run = Run.open(shallow_run)
    images = tmp_path / "images"
    shutil.copytree(run.config.data.train.images, images)
    gone, here = (f"data.train.images={x}" for x in ("gone", images))
    with pytest.raises(hrnet_tf.InputError, match="gone"):
        export_run(shallow_run, ["tflite_int8"], tmp_path / "out", overrides=[gone])
    made = export_run(shallow_run, ["tflite_int8"], tmp_path / "out", overrides=[here])
    assert made["tflite_int8"].is_file()
