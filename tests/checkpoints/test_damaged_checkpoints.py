"""Checkpoints with bytes changed: told, or nothing changes that has a checksum."""

import random

import numpy as np
import pytest
from safetensors.numpy import save_file
from test_checkpoints import EXPECTED, FOLDER, assert_same, expected

from hrnet_tf.checkpoints.files import read_checkpoint
from hrnet_tf.common.errors import InputError
from support.refusals import LONGEST, little_memory


@pytest.fixture(autouse=True)
def cheap():
    read_checkpoint(FOLDER / "zip_format.pth")  # what is imported does not count
    with little_memory():
        yield


def damaged(content, rng):
    """The same bytes with some flipped, cut out, put in, or cut off."""
    content, kind = bytearray(content), rng.randrange(5)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(content))
        if kind == 0:
            content[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[place] = rng.randrange(256)
        elif kind == 2:
            del content[place : place + rng.randrange(1, 20)]
        elif kind == 3:
            content[place:place] = rng.randbytes(rng.randrange(1, 20))
        elif len(content) > 40:
            del content[max(20, place) :]
    return bytes(content)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Files of every format, by name, with what is in them."""
    folder = tmp_path_factory.mktemp("originals")
    save_file(expected("plain"), folder / "plain.safetensors")
    np.savez_compressed(folder / "deflated.npz", **expected("plain"))
    files = {
        "zip_format.pth": expected("plain"),
        "legacy_format.pth": expected("plain"),
        "views_and_dtypes_zip_format.pth": expected("views"),
        "wrapped_legacy_format.pth": None,
        "expected.npz": EXPECTED,
        folder / "plain.safetensors": expected("plain"),
        folder / "deflated.npz": expected("plain"),
    }
    return {FOLDER / name: wanted for name, wanted in files.items()}


def outcome(path):
    """What is read of a file, or the sentence that it is refused with."""
    try:
        return read_checkpoint(path), None
    except InputError as error:
        return None, str(error)


CHECKED = {".pth": "zip", ".npz": ""}  # what has checksums, by a part of the name


@pytest.mark.parametrize("seed", range(6))
def test_damage_is_told_or_changes_nothing_that_has_a_checksum(
    seed, originals, tmp_path
):
    rng = random.Random(seed)
    path = tmp_path / "damaged.bin"
    told = 0
    for original, wanted in originals.items():
        checked = CHECKED.get(original.suffix, "no") in original.stem
        for _ in range(25):
            path.write_bytes(damaged(original.read_bytes(), rng))
            found, said = outcome(path)
            if said is not None:
                told += 1
                assert str(path) in said
                assert said.isprintable()
                assert len(said) < LONGEST + len(str(path))
            elif wanted is not None and checked:
                assert_same(found, {name: wanted[name] for name in found})
    assert told > 60
