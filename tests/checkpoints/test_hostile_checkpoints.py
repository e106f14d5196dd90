"""Damaged checkpoints, and ones that are made to do harm: a sentence, little memory."""

import pickle
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from test_checkpoints import FOLDER, assert_same

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.files import read_checkpoint
from hrnet_tf.checkpoints.pytorch import read_pytorch
from support.official import FIXTURES
from support.pickles import Bare, Global, Reference, dumps, save, tensor, write_archive
from support.refusals import MEGABYTE, little_memory, refused

CASES = FIXTURES / "cases"
ONES = np.ones(6, np.float32)


@pytest.fixture(autouse=True)
def cheap():
    read_checkpoint(FOLDER / "zip_format.pth")  # what is imported does not count
    with little_memory():
        yield


# Pickles.


def shared(levels, wide, empty, mark, end):
    """Containers that hold the one before them several times, by memo."""
    program = [empty + b"q\x00"]
    for level in range(levels):
        inner = b"h" + bytes([level])
        program.append(mark + inner * wide + end + b"q" + bytes([level + 1]))
    return b"".join(program)


LISTS = shared(60, 10, b"]", b"](", b"e")
TUPLES = shared(60, 10, b")", b"(", b"t")
HOSTILE = {
    "shared lists": b"}X\x01\x00\x00\x00a" + LISTS + b"s.",
    "shared tuples as a key": b"}" + TUPLES + b"K\x01s.",
    "shared tuples in a set": b"\x8f(" + TUPLES + b"\x90.",
    "shared tuples in a frozen set": b"(" + TUPLES + b"\x91.",
    "shared lists in place of all": LISTS + b".",
    "a list in itself": b"]q\x00h\x00a.",
    "a dictionary in itself": b"}q\x00X\x05\x00\x00\x00modelh\x00s.",
    "a huge place in the memory": b"}r\xff\xff\xff\x7f.",
    "a huge place in words": b"}p99999999999999999999\n.",
    "a negative place": b"}p-1\n.",
    "a text of 2^63 bytes": b"\x8d" + struct.pack("<Q", 1 << 63) + b"a.",
    "bytes of 2^62": b"\x96" + struct.pack("<Q", 1 << 62) + b"a.",
    "a negative length": b"T\xff\xff\xff\xffa.",
    "a frame of 2^60": b"\x95" + struct.pack("<Q", 1 << 60) + b"}.",
    "a number of a million digits": b"I" + b"9" * MEGABYTE + b"\n.",
    "a long of a million bytes": b"\x8b" + struct.pack("<i", MEGABYTE) + bytes(1 << 20),
    "attributes of the reader's function": (
        b"ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    ),
    "attributes of the reader's class": b"ccollections\nOrderedDict\n}b.",
    "a call of a number": b"K\x01)R.",
    "entries of a number": b"K\x01K\x02K\x03s.",
    "an empty stack": b"0.",
    "no end": b"}" * 100,
    "an extension": b"\x82\x01.",
    "an unknown reference": b"X\x01\x00\x00\x00aQ.",
    "a reference of many parts": b"(" + b"K\x01" * 50_000 + b"tQ.",
    "deep lists": b"]" * 200_000 + b"a" * 199_999 + b".",
    "deep tuples": b")" + b"\x85" * 200_000 + b".",
    "too many instructions": b"]" * 500_001 + b".",
    "too much text": (b"\x8d" + struct.pack("<Q", 4000) + bytes(4000)) * 9000 + b".",
    "a class with a long name": b"c" + b"a" * 3000 + b"\nb\n.",
    "a class with a line in its name": b"\x8c\x03a\nb\x8c\x01c\x93.",
    "a long name of an entry": dumps({"a" * 4000: 1})[2:],
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("legacy", [False, True], ids=["archive", "legacy"])
def test_hostile_pickles_end_in_one_sentence(name, legacy, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "INSTRUCTIONS", 500_000)  # to test it quickly
    path, program = tmp_path / "hostile.pth", b"\x80\x02" + HOSTILE[name]
    if legacy:
        start = (FOLDER / "legacy_format.pth").read_bytes()
        begin = start.index(b".", start.index(b"little_endian")) + 1
        path.write_bytes(start[:begin] + program + dumps([]))
    else:
        write_archive(path, program)
    refused(path)


@pytest.mark.parametrize(
    "name", ["shared_lists", "list_in_itself", "dict_in_itself", "long_entry"]
)
def test_recorded_cases_end_in_one_sentence(name):
    refused(CASES / f"{name}.pth")


def test_rebuilding_from_the_same_again_and_again_is_no_work(tmp_path):
    pairs = b"](" + b"K\x01K\x02\x86" * 50_000 + b"eq\x01"
    call = b"ccollections\nOrderedDict\nq\x00" + pairs + b"0"
    program = b"\x80\x02" + call + b"h\x00h\x01\x85R0" * 100_000 + b"}."
    refused(write_archive(tmp_path / "again.pth", program), "holds no tensors")


@pytest.mark.parametrize(
    "name",
    ["os.system", "posix.system", "builtins.exec", "subprocess.Popen", "nt.system"],
)
def test_what_would_do_harm_is_named_and_refused(name, tmp_path):
    value = {"a": tensor(0, (6,)), "b": Global(name, "touch harm")}
    path = save(tmp_path / "harm.pth", value, {0: ONES})
    refused(path, f"would call {name}".replace(".", r"\."))


# Tensors.

TENSORS = {
    "beyond its numbers": tensor(0, (7,)),
    "beyond by its offset": tensor(0, (6,), offset=1),
    "beyond by its strides": tensor(0, (2, 3), strides=(4, 1)),
    "of a negative size": tensor(0, (-1,)),
    "of a negative stride": tensor(0, (2,), strides=(-1,)),
    "of a huge size": tensor(0, (1 << 70,), strides=(1,)),
    "that repeats one number": tensor(0, (1 << 30,), strides=(0,)),
    "of too many axes": tensor(0, (1,) * 40),
    "whose storage is not there": tensor(1, (6,)),
    "of other numbers": tensor(0, (2,), "torch.ComplexDoubleStorage"),
    "with a fraction as a size": tensor(0, (1.5,), strides=(1,)),
    "without a storage": Global("torch._utils._rebuild_tensor_v2", 1, 0, (1,), (1,)),
    "without arguments": Global("torch._utils._rebuild_tensor_v2"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_their_numbers_do_not_make_are_refused(name, tmp_path):
    refused(save(tmp_path / "t.pth", {"a": TENSORS[name]}, {0: ONES}))


@pytest.mark.parametrize("name", ["a\nb", "a" * 300])
def test_a_name_that_is_no_text_is_refused(name, tmp_path):
    refused(save(tmp_path / "t.pth", {name: tensor(0, (6,))}, {0: ONES}), "is called")


# Archives.


def test_a_flipped_bit_in_the_numbers_is_told_by_the_checksum(tmp_path):
    path = save(tmp_path / "flipped.pth", {"a": tensor(0, (6,))}, {0: ONES})
    content = bytearray(path.read_bytes())
    content[content.index(ONES.tobytes()) + 9] ^= 1
    path.write_bytes(content)
    refused(path, "do not fit their CRC")


def test_numbers_without_a_checksum_are_read(tmp_path):
    path = save(tmp_path / "unchecked.pth", {"a": tensor(0, (6,))}, {0: ONES})
    content = path.read_bytes()
    crc = struct.pack("<L", zlib.crc32(ONES.tobytes()))
    path.write_bytes(content.replace(crc, bytes(4)))
    assert_same(read_checkpoint(path), {"a": ONES})


def test_a_compressed_archive_is_read(tmp_path):
    path = tmp_path / "deflated.pth"
    save(path, {"a": tensor(0, (6,))}, {0: ONES}, method=zipfile.ZIP_DEFLATED)
    assert_same(read_checkpoint(path), {"a": ONES})


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method, tmp_path):
    path = save(tmp_path / "x.pth", {"a": tensor(0, (6,))}, {0: ONES}, method=method)
    refused(path, "only deflate is read")


@pytest.mark.parametrize("entry", ["data.pkl", "data/0", "byteorder"])
def test_a_bomb_is_refused(entry, tmp_path):
    path, bomb = tmp_path / "bomb.pth", bytes(100 * MEGABYTE)
    count = len(bomb) // 4
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        program = dumps({"a": tensor(0, (count,))})
        for name, content in {"data.pkl": program, "data/0": b""}.items():
            if name != entry:
                archive.writestr(f"archive/{name}", content)
        archive.writestr(f"archive/{entry}", bomb)
    del bomb
    tracemalloc.reset_peak()
    refused(path)
    assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE


def test_an_encrypted_archive_is_refused(tmp_path):
    path = save(tmp_path / "secret.pth", {"a": tensor(0, (6,))}, {0: ONES})
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    refused(path, "is encrypted")


def test_entries_on_top_of_each_other_are_refused(tmp_path):
    path, count = tmp_path / "overlap.pth", MEGABYTE
    value = {f"t{key}": tensor(key, (count,)) for key in range(5)}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", dumps(value))
        for key in range(4):
            archive.writestr(f"archive/data/{key}", b"")
        archive.writestr("archive/data/4", bytes(4 * count))
        end = archive.fp.tell()
        for entry in archive.filelist[1:5]:  # each holds all that come after it
            start = entry.header_offset + 30 + len(entry.filename)
            entry.file_size = entry.compress_size = end - start
            entry.CRC = 0
    refused(path, "on top of each other")


def test_a_long_list_of_entries_is_refused(tmp_path):
    path = save(tmp_path / "long.pth", {"a": tensor(0, (6,))}, {0: ONES})
    content = path.read_bytes()
    place = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entries = content[place:end] * 20
    while len(entries) <= limits.ENTRIES:
        entries *= 2
    record = bytearray(content[end:])
    struct.pack_into("<LL", record, 12, len(entries), place)
    path.write_bytes(content[:place] + entries + record)
    refused(path, "list of entries")


def test_two_entries_of_one_name_are_refused(tmp_path):
    path = tmp_path / "twice.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", dumps({}))
        archive.filelist *= 2
    refused(path, "twice")


# What lies beside the tensors.


def array(raw):
    return Global(
        "numpy.core.multiarray._reconstruct",
        Bare("numpy.ndarray"),
        (0,),
        b"b",
        state=(1, (2,), Global("numpy.dtype", "f8", 0, 1), False, raw),
    )


BESIDE = {
    "args": Global("argparse.Namespace", state={"lr": 0.1}),
    "cfg": Global("yacs.config.CfgNode", items=[("a", 1)], state={"frozen": True}),
    "history": {"loss": Global("mmengine.logging.HistoryBuffer", state={"n": 3})},
    "losses": array(bytes(16)),
    "many losses": array(bytes(MEGABYTE)),
    "best": Global("numpy.core.multiarray.scalar", Global("numpy.dtype", "f8"), b"8"),
    "queue": Global("collections.deque", [1, 2], 3),
    "counts": Global("collections.Counter", {"a": 1}),
    "when": Global("datetime.datetime", b"\x07\xe6\x01\x01\x00\x00\x00\x00\x00\x00"),
    "where": Global("pathlib.PosixPath", "a", "b"),
    "dtype": Bare("torch.float32"),
    "device": Global("torch.device", "cuda", 0),
    "size": Global("torch.Size", (1, 2)),
    "quantised": Global("torch._utils._rebuild_qtensor", 1, 2),
    "network": Global("__main__.Net", state={"training": False}),
    "rng": Global(
        "torch._utils._rebuild_tensor_v2",
        Reference(("storage", Bare("torch.QInt8Storage"), "9", "cpu", 3)),
        0,
        (3,),
        (1,),
    ),
    "set": Global("builtins.set", [1, 2]),
    "range": Global("builtins.range", 1, 2),
    "member": Global("builtins.getattr", Bare("a.Color"), "RED"),
    "lambda": Global("functools.partial", Bare("a.f"), state=(1, 2)),
    "itself": Global("a.B", state={"many": [1] * 10}),
    7: "a number as a key",
    (1, 2): "a tuple as a key",
}


def test_other_objects_are_left_out_unexecuted(tmp_path, caplog):
    caplog.set_level("INFO", "hrnet_tf")
    value = {"state_dict": {"a": tensor(0, (2, 3))}, **BESIDE}
    path = save(tmp_path / "full.pth", value, {0: ONES})
    assert_same(read_checkpoint(path), {"a": ONES.reshape(2, 3)})
    assert "left out, since it is no tensor: args (argparse.Namespace)" in caplog.text
    assert len(caplog.text.splitlines()) == 1


def test_python_s_own_pickles_of_every_protocol_are_read(tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        value = {
            "name": "é\n'\"",
            "numbers": [1, -2, 1 << 40, -(1 << 70), 0.5, True, False, None],
            "inner": ({"a": ()}, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], b"raw"),
        }
        program = pickle.dumps(value, protocol)
        path = write_archive(tmp_path / f"{protocol}.pth", program)
        found = read_pytorch(path)
        if protocol < 3:  # bytes are a call there
            assert found["inner"][-1].kind == "_codecs.encode"
            found["inner"] = (*found["inner"][:-1], b"raw")
        assert found == value


def test_a_whole_network_is_answered_with_what_to_save(tmp_path):
    path = save(tmp_path / "net.pth", Global("__main__.Net", state={"a": 1}))
    assert "found '__main__.Net'" in refused(path, r"save its state_dict\(\)")
    path = save(tmp_path / "net.pth", {"model": Global("__main__.Net", state={"a": 1})})
    assert "found 'model (__main__.Net)'" in refused(path)
