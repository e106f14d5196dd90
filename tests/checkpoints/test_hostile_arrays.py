"""Damaged and harmful files of safetensors and NumPy: a sentence, little memory."""

import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from test_checkpoints import FOLDER, assert_same

from hrnet_tf.checkpoints.files import read_checkpoint
from support.refusals import MEGABYTE, little_memory, refused

ONES = np.ones(6, np.float32)


@pytest.fixture(autouse=True)
def cheap():
    read_checkpoint(FOLDER / "zip_format.pth")  # what is imported does not count
    with little_memory():
        yield


def header(facts, length=None):
    """A safetensors file of a header and 24 bytes of numbers."""
    text = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(24)


def entry(shape, first, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, end]}


SAFETENSORS = {
    "a long header": header({}, 1 << 62),
    "a header longer than the file": header({}, 1 << 20),
    "overlapping": header({"a": entry([6], 0, 24), "b": entry([6], 0, 24)}),
    "a hole": header({"a": entry([1], 0, 4), "b": entry([1], 20, 24)}),
    "a huge shape": header({"a": entry([1 << 62, 1 << 62], 0, 24)}),
    "a negative shape": header({"a": entry([-6], 0, 24)}),
    "beyond the file": header({"a": entry([600], 0, 2400)}),
    "an unknown type": header({"a": entry([6], 0, 24, "F33")}),
    "a name twice": header(
        b'{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},'
        b'"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}'
    ),
    "no json": header(b"{" + b"[" * 10_000),
    "a list of lists": header(b'{"a":' + b"[" * 100_000),
    "no object": header({"a": 1}),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_damaged_safetensors_end_in_one_sentence(name, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(SAFETENSORS[name])
    refused(path)


def test_halves_and_bytes_in_safetensors_are_read(tmp_path):
    path = tmp_path / "a.safetensors"
    bits = np.array([0x3F80, 0x4000], np.uint16)  # 1 and 2
    facts = {"a": entry([2], 0, 4, "BF16"), "b": entry([20], 4, 24, "U8")}
    content = bytearray(header(facts))
    content[-24:-20] = bits.tobytes()
    path.write_bytes(content)
    found = read_checkpoint(path)
    np.testing.assert_array_equal(found["a"].astype(np.float32), [1, 2])
    assert found["b"].shape == (20,)


def npy(text):
    """An array file with a given text as its header, and 24 bytes of numbers."""
    raw = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + bytes(24)


HEADERS = {
    "an open bracket": "{'descr': '<f4', 'fortran_order': False, 'shape': (6,",
    "deep brackets": "(" * 5000,
    "no dictionary": "[1]",
    "a huge shape": "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,)}",
    "a negative shape": "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}",
    "a call": "__import__('os').system('touch harm')",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
    "text": "{'descr': '<f4', 'fortran_order': False, 'shape': 'a'}",
    "a stray quote": "{'descr': '''",
    "a zero byte": "\0",
}


@pytest.mark.parametrize("name", HEADERS)
def test_damaged_arrays_end_in_one_sentence(name, tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy(HEADERS[name]))
    refused(path, r"as \.npz")


def test_a_compressed_bomb_of_zeros_in_npz_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(100 * MEGABYTE, np.uint8))
    tracemalloc.reset_peak()
    refused(path, "unpacks to")
    assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE


def test_arrays_by_columns_are_read(tmp_path):
    wanted = {"a": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "b": ONES}
    np.savez(tmp_path / "a.npz", **wanted)
    assert_same(read_checkpoint(tmp_path / "a.npz"), wanted)
