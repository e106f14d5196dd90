"""Checkpoint files of every kind, read without the program that wrote them."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks.reading import write_checkpoint
from hrnet_tf.checkpoints.files import find_tensors, read_checkpoint
from hrnet_tf.checkpoints.names import official
from hrnet_tf.checkpoints.pytorch import read_pytorch
from hrnet_tf.common.errors import InputError
from support.official import FIXTURES

FOLDER = FIXTURES / "checkpoints"
EXPECTED = dict(np.load(FOLDER / "expected.npz"))


def expected(kind):
    prefix = f"{kind}/"
    return {
        name.removeprefix(prefix): value
        for name, value in EXPECTED.items()
        if name.startswith(prefix)
    }


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].shape == value.shape
        if found[name].dtype.name != "bfloat16":  # recorded as float32
            assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name].astype(value.dtype), value)


@pytest.mark.parametrize("file", ["zip_format", "legacy_format"])
def test_plain_tensors_are_read_bit_for_bit(file):
    assert_same(read_checkpoint(FOLDER / f"{file}.pth"), expected("plain"))


@pytest.mark.parametrize("file", ["zip_format", "legacy_format"])
def test_wrappers_are_taken_off(file):
    found = read_checkpoint(FOLDER / f"wrapped_{file}.pth")
    assert_same(official(found, file), official(expected("plain"), file))


@pytest.mark.parametrize("file", ["zip_format", "legacy_format"])
def test_views_and_types_are_read_bit_for_bit(file):
    found = read_checkpoint(FOLDER / f"views_and_dtypes_{file}.pth")
    assert_same(found, expected("views"))
    assert found["bfloat16"].dtype.name == "bfloat16"


def test_what_is_no_tensor_is_read_too():
    saved = read_pytorch(FOLDER / "wrapped_zip_format.pth")
    assert saved["epoch"] == 3
    assert saved["optimizer"]["param_groups"] == [{"lr": 0.1}]


@pytest.mark.parametrize("file", ["zip_format", "legacy_format"])
def test_code_is_refused_before_it_runs(file):
    with pytest.raises(InputError, match=r"would call __builtin__\.eval"):
        read_checkpoint(FOLDER / f"executes_code_{file}.pth")


@pytest.mark.parametrize("file", ["zip_format", "legacy_format"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file_ends_in_one_sentence(file, share, tmp_path):
    content = (FOLDER / f"{file}.pth").read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        InputError, match=r"cut\.pth cannot be read .*: it is truncated"
    ):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x80\x02N."])
def test_a_foreign_file_ends_in_one_sentence(content, tmp_path):
    path = tmp_path / "foreign.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"foreign\.pth cannot be read"):
        read_checkpoint(path)


def test_a_file_without_tensors_names_what_it_holds():
    with pytest.raises(InputError, match="holds no tensors by name: found 'epoch, lr'"):
        find_tensors({"epoch": 3, "lr": 0.1}, "some.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no checkpoint .*nowhere\.pth"):
        read_checkpoint(tmp_path / "nowhere.pth")


def test_many_tensors_are_read_as_views_of_the_file(tmp_path):
    write_checkpoint(tmp_path / "a.pth", numbers=10, tensors=7)
    found = read_checkpoint(tmp_path / "a.pth")
    rng = np.random.default_rng(0)
    assert list(found) == [f"{number}.weight" for number in range(7)]
    for value in found.values():
        np.testing.assert_array_equal(value, rng.random(10, np.float32))
        assert not value.flags.owndata
        assert not value.flags.writeable


def test_safetensors_and_npz_are_told_by_their_content(tmp_path):
    plain = expected("plain")
    save_file(plain, tmp_path / "a.bin")
    with open(tmp_path / "b.bin", "wb") as file:
        np.savez(file, **plain)
    assert_same(read_checkpoint(tmp_path / "a.bin"), plain)
    assert_same(read_checkpoint(tmp_path / "b.bin"), plain)


def test_pickled_arrays_in_npz_are_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", a=np.array([print], object))
    with pytest.raises(InputError, match=r"objects\.npz cannot be read"):
        read_checkpoint(tmp_path / "objects.npz")
