"""Exported files are what they were, and answer as they did."""

import json
import shutil

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.cli import main
from hrnet_tf.export import verify as verify_module
from hrnet_tf.export.records import read_record
from hrnet_tf.export.verify import verify


@pytest.fixture
def copied(exported, tmp_path):
    """Artefacts far away from the run that they were made of."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(exported["onnx"].parent, folder)
    served = exported["savedmodel"]
    shutil.copytree(served, folder / served.name)
    for ending in (".json", ".npz"):
        shutil.copy(f"{served}{ending}", folder)
    return {name: folder / path.name for name, path in exported.items()}


@pytest.mark.parametrize("name", ["savedmodel", "tflite", "onnx"])
def test_an_untouched_artefact_is_as_it_was(name, copied):
    result = verify(copied[name])
    assert result.ok, result.report()
    assert result.format == name
    assert result.differences["heatmaps"] == pytest.approx(0, abs=1e-5)
    assert "files: as exported" in result.report()
    answers = {"keypoints", "scores"} if name == "savedmodel" else set()
    assert result.differences.keys() == {"heatmaps", *answers}


def test_a_changed_file_is_named(copied):
    path = copied["tflite"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # in the facts inside, which change no answer
    path.write_bytes(content)
    result = verify(path)
    assert (result.altered, result.ok) == (("model.tflite",), False)
    assert "model.tflite: altered since the export" in result.report()


def test_a_file_of_a_folder_is_named(copied, asked_here):
    folder = copied["savedmodel"]
    warmup = "assets.extra/tf_serving_warmup_requests"
    with open(folder / warmup, "ab") as file:
        file.write(b"\0")
    (folder / "variables" / "more").write_text("")
    result = verify(folder)
    assert result.altered == (f"{folder.name}/{warmup}",)
    assert result.added == (f"{folder.name}/variables/more",)


def test_changed_facts_are_named(copied):
    facts = copied["onnx"].with_name("model.onnx.json")
    told = json.loads(facts.read_text())
    told["decoding"]["padding"] = 1.5
    facts.write_text(json.dumps(told))
    assert verify(copied["onnx"]).altered == ("model.onnx.json",)


def test_facts_that_are_only_laid_out_otherwise_are_the_same(copied):
    facts = copied["onnx"].with_name("model.onnx.json")
    facts.write_text(json.dumps(json.loads(facts.read_text())))
    assert verify(copied["onnx"]).ok


def test_a_missing_record_is_named(copied):
    copied["onnx"].with_name("model.onnx.npz").unlink()
    result = verify(copied["onnx"])
    assert (result.missing, result.ok) == (("model.onnx.npz",), False)


def test_a_file_that_does_not_run_is_told_in_one_line(copied):
    copied["onnx"].write_bytes(b"nothing")
    result = verify(copied["onnx"])
    assert result.altered == ("model.onnx",)
    assert "does not run" in result.failure
    assert "\n" not in result.failure


@pytest.mark.parametrize("change", [0.01, np.nan])
def test_other_answers_are_told(change, copied, monkeypatch):
    _, answers = read_record(copied["onnx"].with_name("model.onnx.npz"))
    changed = {name: value + change for name, value in answers.items()}
    monkeypatch.setattr(verify_module, "ask_in_fresh_process", lambda *_: changed)
    result = verify(copied["onnx"])
    assert not result.ok
    assert "heatmaps: NOT as recorded" in result.report()


def test_the_command_says_it_with_its_status(copied, capsys):
    main(["verify", str(copied["onnx"])])
    assert "heatmaps: as recorded" in capsys.readouterr().out
    copied["onnx"].write_bytes(b"nothing")
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(copied["onnx"])])
    assert ended.value.code == 1
    assert "model.onnx: altered" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "There is no"),
        (lambda path: path.with_name("model.onnx.json").unlink(), "has no manifest"),
    ],
)
def test_what_is_no_artefact_is_refused(change, message, copied):
    change(copied["onnx"])
    with pytest.raises(hrnet_tf.InputError, match=message):
        verify(copied["onnx"])


def test_a_manifest_that_knows_no_files_is_refused(copied, run_folder):
    shutil.copy(
        run_folder / "manifest.json", copied["onnx"].with_name("model.onnx.json")
    )
    with pytest.raises(hrnet_tf.InputError, match="export the model again"):
        verify(copied["onnx"])
