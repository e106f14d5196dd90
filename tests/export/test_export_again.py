"""Exports of moved data, and where their settings stand."""

import shutil

import pytest

import hrnet_tf
from hrnet_tf.arguments import parser
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.training.run import Run


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
