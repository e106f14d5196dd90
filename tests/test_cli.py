import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from hrnet_tf import cli
from hrnet_tf.images.files import read_image
from hrnet_tf.images.pictures import write_image
from support.networks import shallow_networks

SHORT = ("train.epochs=1", "train.steps_per_epoch=1", "train.drop_at=[]")


@pytest.fixture(scope="module", autouse=True)
def shallow():
    """Commands do not look at networks: any will do."""
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def trained(experiment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    cli.main(["train", str(experiment), f"output={folder}", *SHORT])
    return folder


def fails(capsys, *arguments):
    """The one sentence that a user's mistake ends in."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("hrnet-tf: ")
    return message


def test_evaluate_prints_a_table_and_writes_it(trained, capsys):
    cli.main(["evaluate", str(trained), "evaluate.flip=false"])
    printed = capsys.readouterr().out
    target = trained / "evaluations" / "annotated_boxes_quarter_straight.json"
    facts = json.loads(target.read_text())
    assert f"{facts['statistics']['AP']:6.3f}" in printed
    assert facts["people"] == 7  # one of the six images shows two
    assert target.with_suffix(".txt").read_text() in printed
    results = json.loads(target.with_name(f"{target.stem}_results.json").read_text())
    assert {len(entry["keypoints"]) for entry in results} == {51}


def test_predict_draws_a_folder_of_images(trained, data_folder, tmp_path, capsys):
    out = tmp_path / "drawn"
    source = data_folder / "images" / "val"
    command = ["predict", str(source), "--model", str(trained), "--out", str(out)]
    cli.main([*command, "evaluate.flip=true"])
    assert "6 people in 6 images" in capsys.readouterr().out
    names = sorted(path.stem for path in source.iterdir())
    assert sorted(path.stem for path in out.glob("*.jpg")) == names
    assert len(json.loads((out / "keypoints.json").read_text())) == 6


def test_predict_takes_the_ids_of_annotations(trained, data_folder, tmp_path, capsys):
    annotations = data_folder / "annotations" / "person_keypoints_val.json"
    data = json.loads(annotations.read_text())
    people = [a for a in data["annotations"] if "keypoints" in a]
    boxes = tmp_path / "boxes.json"
    kept = [
        {key: a[key] for key in ("image_id", "bbox", "category_id")} for a in people
    ]
    boxes.write_text(json.dumps(kept))
    command = ["predict", str(data_folder / "images" / "val"), "--model", str(trained)]
    command += ["--boxes", str(boxes), "--annotations", str(annotations)]
    cli.main([*command, "--out", str(tmp_path / "drawn")])
    assert f"{len(people)} people in 6 images" in capsys.readouterr().out
    entries = json.loads((tmp_path / "drawn" / "keypoints.json").read_text())
    assert {e["image_id"] for e in entries} == {a["image_id"] for a in people}
    boxes.write_text("[]")
    cli.main([*command, "--out", str(tmp_path / "nobody")])
    assert "no people in 6 images" in capsys.readouterr().out


def test_export_writes_what_it_names(trained, tmp_path, capsys):
    command = ["export", str(trained), "--format", "tflite", "--out", str(tmp_path)]
    cli.main(command)
    assert f"tflite: {tmp_path / 'model.tflite'}" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "decoder.py",
        "model.tflite",
        "model.tflite.json",
        "model.tflite.npz",
    ]


def test_export_writes_the_version_that_is_asked_for(trained, asked_here, capsys):
    cli.main(["export", str(trained), "--format", "savedmodel", "--version", "3"])
    assert f"savedmodel: {trained / '3'} (facts in 3.json)" in capsys.readouterr().out
    said = fails(capsys, "export", trained, "--version", 0)
    assert "`version` must be at least 1" in said


def test_the_same_training_again_says_that_it_is_finished(
    trained, experiment, capsys, caplog
):
    caplog.set_level("INFO", logger="hrnet_tf")
    cli.main(["train", str(experiment), f"output={trained}", *SHORT])
    assert "is finished (1 epochs)" in caplog.text


def test_mistakes_end_in_one_sentence(experiment, trained, tmp_path, capsys):
    said = fails(capsys, "train", experiment, "train.epoch=3")
    assert "unknown key `train.epoch`; did you mean `train.epochs`?" in said
    said = fails(capsys, "train", experiment, "train.epochs=many")
    assert "`train.epochs` must be an integer, got 'many'" in said
    said = fails(capsys, "train", tmp_path / "nowhere.yaml")
    assert "There is no file" in said
    assert "is no run" in fails(capsys, "evaluate", tmp_path)
    assert "is no run" in fails(capsys, "export", tmp_path)
    said = fails(capsys, "predict", tmp_path / "nowhere.jpg", "--model", trained)
    assert "no such file or folder" in said
    said = fails(capsys, "predict", experiment, "--model", tmp_path / "nothing")
    assert "give the folder of a run or an exported model" in said


def test_a_broken_image_to_predict_on_ends_in_one_sentence(trained, tmp_path, capsys):
    image = tmp_path / "photo.jpg"
    image.write_bytes(b"no image")
    said = fails(capsys, "predict", image, "--model", trained)
    assert "photo.jpg cannot be decoded" in said


def test_results_of_another_prediction_are_not_overwritten(
    trained, tmp_path, capsys, rng
):
    image = tmp_path / "photo.png"
    write_image(image, rng.integers(0, 256, (40, 30, 3)).astype(np.uint8))
    out = tmp_path / "drawn"
    command = ["predict", str(image), "--model", str(trained), "--out", str(out)]
    cli.main(command)
    assert read_image(out / "photo.jpg").shape == (320, 240, 3)
    assert "not empty" in fails(capsys, *command)


def test_an_interruption_says_how_to_go_on(experiment, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["hrnet_tf.training.train"], "train", interrupt)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", str(experiment)])
    assert stopped.value.code == 130
    assert "the same command goes on where it stopped" in capsys.readouterr().err


def test_the_command_and_the_module_are_the_same():
    module = [sys.executable, "-m", "hrnet_tf", "--version"]
    command = shutil.which("hrnet-tf", path=os.path.dirname(sys.executable))
    answers = [
        subprocess.run(line, capture_output=True, text=True, check=True).stdout
        for line in (module, [command, "--version"])
    ]
    assert answers[0] == answers[1] != ""
