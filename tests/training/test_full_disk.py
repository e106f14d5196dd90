"""Commands that cannot write: a full disk, and what stands in their way."""

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hrnet_tf import cli
from hrnet_tf.common import files, messages
from hrnet_tf.common.run_lock import LOCK
from hrnet_tf.images.pictures import write_image
from support.disks import TINY_FILES, full_disk
from support.networks import shallow_networks

SHORT = ("train.epochs=1", "train.steps_per_epoch=1", "train.drop_at=[]")


@pytest.fixture
def no_log(monkeypatch):
    """Libraries write nowhere: LLVM ends the process where its lines find no room."""

    def refuse(**_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(messages, "tempfile", SimpleNamespace(mkstemp=refuse))
    monkeypatch.setattr(messages.Messages, "move", lambda self, folder: None)


def listing(folder):
    """Every file with its size, but logs, which grow, and the lock, which is empty."""
    return {
        path: path.stat().st_size
        for path in Path(folder).rglob("*")
        if path.is_file() and "logs" not in path.parts and path.name != LOCK
    }


@pytest.fixture(scope="module", autouse=True)
def shallow():
    """Commands do not look at networks: any will do."""
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def run(shallow_run, tmp_path_factory):
    """A run that a test may spoil."""
    folder = tmp_path_factory.mktemp("files") / "run"
    shutil.copytree(shallow_run, folder)
    return folder


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """Two classes of images, too large for the full disk."""
    folder = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("a", "b"):
            image = rng.integers(0, 256, (40, 40, 3), np.uint8)
            write_image(folder / part / name / "1.png", image)
    return folder


@pytest.fixture
def lines(run, experiment, data_folder, classes, tmp_path):
    """Every command that writes, and where it does."""
    out = tmp_path / "out"
    photos = data_folder / "images" / "val"
    return {
        "train": (["train", experiment, f"output={out}", *SHORT], out),
        "evaluate": (["evaluate", run, "evaluate.flip=false"], run / "evaluations"),
        "predict": (["predict", photos, "--model", run, "--out", out], out),
        "export": (["export", run, "--format", "tflite", "--out", out], out),
        "export a SavedModel": (
            ["export", run, "--format", "savedmodel", "--out", out],
            out,
        ),
        "shard": (["shard", classes, out, "--workers", "1"], out),
        "data check": (["data", "check", experiment, "--out", out], out),
        "configs": (["configs", "pose/demo", "--out", out], out),
        "demo": (["demo", "--out", out], out),
    }


COMMANDS = [
    "train",
    "evaluate",
    "predict",
    "export",
    "export a SavedModel",
    "shard",
    "data check",
    "configs",
    "demo",
]


def ends(capsys, line):
    """The one sentence in which a command ends."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(word) for word in line])
    said = capsys.readouterr().err.splitlines()[-1]
    assert stopped.value.code == 2, said
    assert said.startswith("hrnet-tf: ")
    assert files.SCRATCH not in said
    return said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("no_log")
def test_a_full_disk_ends_in_a_sentence_and_leaves_no_half_of_a_file(
    command, lines, capsys
):
    line, out = lines[command]
    before = listing(out)
    with full_disk():
        said = ends(capsys, line)
    assert "file too large" in said
    assert str(out) in said
    left = listing(out)
    assert before.items() <= left.items()
    assert all(0 < left[path] < TINY_FILES for path in left.keys() - before.keys())
    assert not list(out.rglob(f"{files.SCRATCH}*"))
    assert not list(out.rglob("*.partial*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_the_place_of_a_folder_ends_in_a_sentence(command, lines, capsys):
    line, out = lines[command]
    if out.is_dir():
        shutil.rmtree(out)
    out.write_text("in the way")
    said = ends(capsys, line)
    assert str(out) in said
    assert out.read_text() == "in the way"
    out.unlink()


@pytest.mark.parametrize(
    "inside", ["checkpoints", "logs", "overlays", "samples.npz", "history.csv"]
)
def test_what_stands_in_the_way_in_a_new_run_is_named(
    inside, experiment, tmp_path, capsys, shallow_run, eagerly
):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(shallow_run / "config.yaml", folder)  # one that was interrupted
    if "." in inside:
        (folder / inside).mkdir()
        (folder / inside / "file").write_text("")
    else:
        (folder / inside).write_text("in the way")
    said = ends(capsys, ["train", experiment, f"output={folder}", *SHORT])
    assert inside in said
