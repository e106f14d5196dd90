"""Exports of networks for facial landmarks, side by side in processes of their own."""

import pytest

import hrnet_tf
from hrnet_tf.drawn.faces import draw_face_data_set
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.benchmark import benchmark_run
from support.drawn_faces import write_tiny_experiment


@pytest.mark.slow
def test_every_export_is_judged_by_its_error(tmp_path):
    draw_face_data_set(tmp_path / "faces", train=6, validation=5)
    path = write_tiny_experiment(tmp_path, tmp_path / "faces", 64)
    run = hrnet_tf.train(hrnet_tf.read_config(path, ["train.epochs=1"]))
    formats = ["savedmodel", "onnx", "tflite_decoded", "tflite_int8"]
    export_run(run.folder, formats)
    measured, _ = benchmark_run(run.folder, rounds=1, progress=False)
    assert (measured.metric, measured.samples) == ("NME", 5)
    rows = {row.format: row for row in measured.flavours}
    assert set(rows) == {"keras", *formats}
    for name in ("savedmodel", "onnx", "tflite_decoded"):
        assert rows[name].score == pytest.approx(rows["keras"].score, rel=0.02)
    assert 0 < rows["tflite_int8"].score < 2
