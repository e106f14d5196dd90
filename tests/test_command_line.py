import json
import os
import subprocess
import sys

import pytest

from hrnet_tf import arguments, cli
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.names import NAMES

HEAVY = ("tensorflow", "keras", "cv2", "pycocotools", "onnx", "matplotlib")
LIMIT = 1.5  # seconds of CPU; TensorFlow alone takes more

# Runs a command as `python -m hrnet_tf` does, and tells what it has imported.
CHILD = """
import json, runpy, sys, time
sys.argv = ["hrnet-tf", *json.loads(sys.argv[1])]
status = 0
try:
    runpy.run_module("hrnet_tf", run_name="__main__")
except SystemExit as stopped:
    status = stopped.code
heavy = [name for name in json.loads(sys.orig_argv[-1]) if name in sys.modules]
print(json.dumps([status or 0, heavy, time.process_time()]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory, experiment):
    """A folder where commands may be mistaken."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "tiny.yaml").write_text(experiment.read_text())
    (folder / "photo.jpg").write_bytes(b"")
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text(experiment.read_text())
    return folder


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("--help", 0, "COMMAND"),
        ("--version", 0, "."),
        ("train --help", 0, "key=value"),
        ("data check --help", 0, "key=value"),
        ("learn", 2, "learn"),
        ("train tiny.yaml --fast", 2, "--fast"),
        ("train tiny.yaml train.epoch=3", 2, "did you mean `train.epochs`?"),
        ("train tiny.yaml train.learning_rate=-1", 2, "train.learning_rate=-1: `train"),
        ("train nowhere.yaml", 2, "There is no file nowhere.yaml"),
        ("data check tiny.yaml data.rot=x", 2, "unknown key `data.rot`"),
        ("evaluate nowhere", 2, "nowhere is no run"),
        ("evaluate run evaluate.flp=1", 2, "did you mean `evaluate.flip`?"),
        ("export nowhere", 2, "nowhere is no run"),
        ("export run --format tflight", 2, "tflight"),
        ("benchmark nowhere", 2, "nowhere is no run"),
        ("benchmark run --threads -3", 2, "--threads: must be at least 1, got -3"),
        ("benchmark run --rounds 0", 2, "--rounds: must be at least 1, got 0"),
        ("predict nowhere.jpg --model run", 2, "no such file or folder nowhere.jpg"),
        ("predict photo.jpg --model nothing", 2, "no such file or folder nothing"),
        ("predict photo.jpg", 2, "There is no trained run in saved_models"),
        ("predict photo.jpg --threshold nan", 2, "--threshold: must be finite"),
        ("verify nowhere.onnx", 2, "no such file or folder nowhere.onnx"),
        ("convert nowhere.pth --out a.keras", 2, "no such file or folder nowhere.pth"),
        ("shard nowhere out", 2, "no such file or folder nowhere"),
    ],
)
def test_a_mistake_is_answered_before_anything_heavy_is_imported(
    line, status, said, somewhere
):
    given = [json.dumps(line.split()), json.dumps(HEAVY)]
    process = subprocess.run(
        [sys.executable, "-c", CHILD, *given],
        capture_output=True,
        text=True,
        cwd=somewhere,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    *lines, facts = process.stderr.splitlines()
    found, heavy, seconds = json.loads(facts)
    assert (found, heavy) == (status, [])
    assert said in "\n".join([*lines, process.stdout])
    assert "Traceback" not in process.stderr
    assert seconds < LIMIT


def test_the_names_of_formats_are_those_of_the_table():
    assert tuple(FORMATS) == NAMES


@pytest.mark.parametrize(
    "line",
    [
        "data check c.yaml a.b=1 --out x c.d=[2,3]",
        "data check a.b=1 c.yaml c.d=[2,3] --out x",
        "data check --out x a.b=1 c.yaml c.d=[2,3]",
        "data check --out x c.yaml a.b=1 c.d=[2,3]",
    ],
)
def test_settings_stand_before_and_after_options(line):
    found = arguments.parser().parse_args(line.split())
    assert (found.config, found.out) == ("c.yaml", "x")
    assert found.settings == ["a.b=1", "c.d=[2,3]"]


def test_a_file_with_an_equals_sign_is_no_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rate=1").mkdir()
    found = arguments.parser().parse_args(["evaluate", "rate=1", "a.b=1"])
    assert (found.run, found.settings) == ("rate=1", ["a.b=1"])
    line = ["data", "check", "c.yaml", "--out", "new=1"]
    assert arguments.parser().parse_args(line).out == "new=1"


def test_what_is_no_setting_is_named(experiment, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", str(experiment), "fast"])
    assert "'fast' is no setting; write key=value" in capsys.readouterr().err
