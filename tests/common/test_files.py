"""Files that are whole or not there, and what the system refuses in one sentence."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.arrays import read_arrays, write_arrays
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.failures import explain
from hrnet_tf.common.files import SCRATCH, writing, writing_together
from hrnet_tf.common.text_files import read_json, write_json
from support.damage import DAMAGES, assert_one_sentence, flipped
from support.disks import full_disk
from support.moments import contents, moments


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


def write_three(folder, text):
    """A file that a folder and another file belong to."""
    with writing_together(folder / "a.json") as facts:
        facts.write_text(text)
        facts.with_name("b.txt").write_text(text)
        facts.with_name("model").mkdir()
        facts.with_name("model").joinpath(text).write_text(text)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who is alive")
def test_what_killed_processes_leave_is_removed_and_nothing_else(tmp_path):
    with subprocess.Popen(["true"]) as ended:
        pass
    with writing(tmp_path / "a.json") as partial:
        name = partial.parent.name
        partial.write_text("whole")
    start, space, own, rest = name.removeprefix(SCRATCH).split(".")
    assert own == str(os.getpid())
    left, alive, elsewhere = (
        tmp_path / f"{SCRATCH}{host}.{space}.{process}.{rest}"
        for host, process in ((start, ended.pid), (start, own), ("far", ended.pid))
    )
    for folder in (left, alive, elsewhere):
        folder.mkdir()
    with writing_together(tmp_path / "a.json") as partial:
        partial.write_text("whole")
    assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a.json", alive, elsewhere])


def texts(folder):
    return {text.decode() for text in contents(folder).values()}


def test_files_that_belong_together_are_there_together_at_any_moment(tmp_path):
    folder = tmp_path / "out"
    write_three(folder, "old")
    with moments(folder, snapshots=tmp_path / "moments") as seen:
        write_three(folder, "new")
    assert texts(folder) == {"new"}
    assert {path.name for path in folder.iterdir()} == {"a.json", "b.txt", "model"}
    found = set()
    for state in seen.snapshots.iterdir():
        if (state / "a.json").exists():
            (text,) = texts(state)
            found.add(text)
            assert len(contents(state)) == 3
        for name in contents(state):
            assert name in ("a.json", "b.txt", "model/old", "model/new")
    assert found == {"old", "new"}


def test_files_of_before_are_there_again_where_the_disk_is_full(tmp_path):
    write_three(tmp_path, "old")
    before = contents(tmp_path)
    with moments(tmp_path) as seen:
        write_three(tmp_path / "undisturbed", "new")
    for number in range(len(seen.made) - 1):
        with moments(tmp_path, number), pytest.raises(OSError, match="No space"):
            write_three(tmp_path, "new")
        assert contents(tmp_path).items() >= before.items()


def test_what_is_of_another_kind_stands_in_the_way(tmp_path):
    (tmp_path / "b.txt").mkdir()
    (tmp_path / "b.txt" / "mine").write_text("mine")
    with pytest.raises(IsADirectoryError):
        write_three(tmp_path, "new")
    assert list(contents(tmp_path)) == ["b.txt/mine"]


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


KINDS = {**DAMAGES, "text": lambda raw, at: b"no arrays\n", "a byte": flipped(0x55)}


@pytest.mark.parametrize("damage", KINDS.values(), ids=KINDS)
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


def test_json_of_a_run_has_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"AP": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=fail) == {
        "AP": None
    }


def fail(constant):
    raise AssertionError(constant)
