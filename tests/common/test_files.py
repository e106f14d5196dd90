"""Files that are whole or not there, and what the system refuses in one sentence."""

import contextlib
import errno
import json
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import cli
from hrnet_tf.common import files, messages
from hrnet_tf.common.arrays import read_arrays, write_arrays
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.failures import explain
from hrnet_tf.common.files import writing
from hrnet_tf.common.run_lock import LOCK
from hrnet_tf.common.text_files import read_json, write_json
from hrnet_tf.images.pictures import write_image

TINY_FILES = 300  # bytes
SHORT = ("train.epochs=1", "train.steps_per_epoch=1", "train.drop_at=[]")


@contextlib.contextmanager
def full_disk(size=TINY_FILES):
    """Files cannot grow beyond a size, for Python and for libraries alike."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


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


@pytest.fixture(scope="module")
def run(run_folder, exported, tmp_path_factory):
    """A run with exports that a test may spoil."""
    folder = tmp_path_factory.mktemp("files") / "run"
    shutil.copytree(run_folder, folder)
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
    inside, experiment, tmp_path, capsys, run_folder
):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(run_folder / "config.yaml", folder)  # one that was interrupted
    if "." in inside:
        (folder / inside).mkdir()
        (folder / inside / "file").write_text("")
    else:
        (folder / inside).write_text("in the way")
    said = ends(capsys, ["train", experiment, f"output={folder}", *SHORT])
    assert inside in said


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"a": [1.5, float("nan"), float("inf")]})
    assert read_json(path) == {"a": [1.5, None, None]}
    before = path.read_bytes()
    with full_disk(), pytest.raises(OSError, match="too large") as caught:
        write_json(path, list(range(1000)))
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def write_half(path):
    with writing(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def test_a_folder_takes_the_place_of_another(tmp_path):
    for text in ("old", "new"):
        with writing(tmp_path / "model") as partial:
            partial.mkdir()
            (partial / text).write_text(text)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]


def test_arrays_of_a_full_disk_are_not_there(tmp_path):
    with full_disk(), pytest.raises(OSError, match="too large"):
        write_arrays(tmp_path / "a.npz", {"a": np.zeros(1000)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "full", "run/a.csv"), "run/a.csv: no space left on d"),
        (PermissionError(errno.EACCES, "no", "a"), "a: permission denied; choose"),
        (FileExistsError(errno.EEXIST, "there", "a"), "a file where a folder is"),
        (IsADirectoryError(errno.EISDIR, "is", "a"), "a folder where a file is"),
        (
            OSError("Unable to create file (name = 'a.h5', errno = 28, message = 'x')"),
            "a.h5: no space left on device",
        ),
        (OSError("something\nelse"), "something else."),
        (MemoryError(), "there is not enough memory"),
        (
            tf.errors.UnknownError(None, None, "a/b; No space left on device"),
            "a/b: no space left on device; free some space",
        ),
        (
            tf.errors.FailedPreconditionError(None, None, "a/logs is not a directory"),
            "a/logs: not a directory; there is a file",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
            "there is not enough memory",
        ),
    ],
)
def test_what_the_system_refuses_is_explained(error, said):
    assert said in explain(error)
    assert "\n" not in explain(error)


def test_faults_of_the_program_are_not_explained_away():
    assert explain(ValueError("odd")) is None
    assert explain(tf.errors.InvalidArgumentError(None, None, "shapes")) is None


DAMAGES = {
    "empty": lambda raw, at: b"",
    "cut": lambda raw, at: raw[:at],
    "text": lambda raw, at: b"no arrays\n",
    "zeros": lambda raw, at: raw[:at] + bytes(len(raw) - at),
    "a byte": lambda raw, at: raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :],
    "left out": lambda raw, at: raw[:at] + raw[at + 3 :],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_arrays_end_in_a_sentence(damage, compressed, tmp_path, rng):
    path = tmp_path / "samples.npz"
    arrays = {"crops": rng.integers(0, 9, (2, 4, 4, 3)), "x": rng.normal(size=5)}
    write_arrays(path, arrays, compressed)
    raw = path.read_bytes()
    for at in rng.integers(0, len(raw), 60):
        path.write_bytes(damage(raw, at))
        try:
            found = read_arrays(path, tuple(arrays))
        except InputError as error:
            assert_one_sentence(str(error), path)
        else:
            for name, value in arrays.items():
                np.testing.assert_array_equal(found[name], value)


def assert_one_sentence(said, path):
    assert str(path) in said
    assert "\n" not in said


def test_json_of_a_run_has_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"AP": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=fail) == {
        "AP": None
    }


def fail(constant):
    raise AssertionError(constant)
