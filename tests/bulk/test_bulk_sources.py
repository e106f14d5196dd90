"""Folders, lists, Parquet and TFRecord files in pieces, here and elsewhere."""

import io
import os
from functools import partial

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from PIL import Image
from pyarrow import parquet

import hrnet_tf
from hrnet_tf.bulk.places import Folder
from hrnet_tf.bulk.sources import Piece, digest_of, encoded_images, find_pieces
from hrnet_tf.data import stores
from support.web import Server


def png(number):
    stream = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), number, np.uint8)).save(stream, "png")
    return stream.getvalue()


def content(pieces):
    """Names and bytes, or errors, of all images."""
    found = {}
    for piece in pieces:
        for name, opener in encoded_images(Piece.from_json(piece.as_json())):
            try:
                found[name] = opener()
            except hrnet_tf.InputError as error:
                found[name] = str(error)
    return found


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("b.png", "a/1.png", "a/2.png", "c d#.png")):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(png(number))
    (tmp_path / "in" / ".hidden.png").write_bytes(b"no")
    (tmp_path / "in" / "notes.md").write_text("no image")
    return tmp_path / "in"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(stores, "PAUSE", 0)
    web = Server()
    yield web
    web.close()


NAMES = ["a/1.png", "a/2.png", "b.png", "c d#.png"]


@pytest.mark.parametrize("start", ["", "file://"])
def test_a_folder_is_read_in_order_with_what_lies_below(start, folder):
    pieces = find_pieces(f"{start}{folder}", 3)
    assert [piece.count for piece in pieces] == [3, 1]
    found = content(pieces)
    assert list(found) == NAMES
    assert found["b.png"] == png(0)


def test_where_a_folder_lies_does_not_matter(folder, tmp_path):
    hidden = folder.rename(tmp_path / ".hidden")
    assert list(content(find_pieces(str(hidden), 3))) == NAMES


def test_a_folder_elsewhere(folder):
    system = fsspec.filesystem("memory")
    system.put(str(folder), "/photos", recursive=True)
    pieces = find_pieces("memory://photos", 3)
    assert list(content(pieces).items()) == list(
        content(find_pieces(str(folder), 3)).items()
    )
    assert digest_of(pieces) == digest_of(find_pieces(str(folder), 3))
    system.rm("/photos", recursive=True)


def test_a_list_of_paths_and_addresses(folder, tmp_path, server):
    url = server.url
    server.files = {"/a/2.png": png(2), "/cut.png": png(2)}
    server.short = {"/cut.png"}
    lines = ["in/b.png", str(folder / "a/1.png"), "", f"{url}/a/2.png", "in/none.png"]
    elsewhere = [f"{url}/none.png", f"{url}/cut.png"]
    (tmp_path / "list.txt").write_text("\n".join([*lines, *elsewhere]))
    (piece,) = find_pieces(str(tmp_path / "list.txt"), 10)
    assert piece.unasked == 3
    found = content([piece])
    assert [found[line] for line in lines[:2]] == [png(0), png(1)]
    assert found[f"{url}/a/2.png"] == png(2)
    assert "in/none.png cannot be read: there is no such" in found["in/none.png"]
    assert found[f"{url}/none.png"] == f"There is no {url}/none.png."
    # Asked for again, as what training reads is, and by its sentence.
    assert server.fetched.count("/cut.png") == stores.TRIES
    assert "cannot be read: it broke off after" in found[f"{url}/cut.png"]


def test_rows_of_parquet_files(tmp_path):
    images = [png(number) for number in range(7)]
    rows = [{"bytes": image, "path": f"{n}.png"} for n, image in enumerate(images)]
    rows[3]["bytes"] = None
    plain = pa.table({"encoded": images, "id": [f"id{n}" for n in range(7)]})
    parquet.write_table(pa.table({"image": rows}), tmp_path / "a.parquet")
    parquet.write_table(plain, tmp_path / "b.parquet", row_group_size=2)
    pieces = find_pieces(str(tmp_path), 3)
    assert [piece.count for piece in pieces] == [3, 3, 1] * 2
    found = content(pieces)
    assert list(found) == [f"{n}.png" for n in range(7)] + [f"id{n}" for n in range(7)]
    assert found["5.png"] == found["id5"] == png(5)
    assert "3.png: column image holds no bytes" in found["3.png"]
    with pytest.raises(
        hrnet_tf.InputError, match=r"no column x, but image; .*--column"
    ):
        find_pieces(str(tmp_path), 3, "x")


def write_records(path, images):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image in images:
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
            features = tf.train.Features(feature={"image/encoded": value})
            example = tf.train.Example(features=features)
            writer.write(example.SerializeToString())


def test_records_of_tfrecord_files(tmp_path):
    path = tmp_path / "x.tfrecord"
    write_records(path, [png(number) for number in range(5)])
    pieces = find_pieces(str(path), 2)
    assert [(piece.first, piece.count) for piece in pieces] == [(0, 2), (2, 2), (4, 1)]
    assert content(pieces) == {f"x.tfrecord#{n}": png(n) for n in range(5)}


def test_a_damaged_record_costs_itself_alone(tmp_path):
    path = tmp_path / "x.tfrecord"
    write_records(path, [png(number) for number in range(5)])
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    found = content(find_pieces(str(path), 5))
    wrong = [name for name, image in found.items() if isinstance(image, str)]
    assert wrong == ["x.tfrecord#2"]
    assert found[wrong[0]].endswith("is damaged: its checksum is another.")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "There is no such file or folder"),
        ("empty", "no image, Parquet or TFRecord file in it"),
        ("mixed", r"several kinds \(Parquet, image\)"),
        ("cut.tfrecord", "record 1, at byte .*, goes beyond its end"),
        ("bad.parquet", "bad.parquet cannot be read"),
        ("nowhere://x", "nowhere://x cannot be read"),
        ("http://127.0.0.1:1/photos", "in a folder of the web cannot be listed"),
    ],
)
def test_what_is_no_source_is_refused(name, said, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.png").write_bytes(png(1))
    (tmp_path / "mixed" / "a.parquet").write_bytes(b"nothing")
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    write_records(tmp_path / "cut.tfrecord", [png(1), png(2)])
    cut = (tmp_path / "cut.tfrecord").read_bytes()[:-5]
    (tmp_path / "cut.tfrecord").write_bytes(cut)
    with pytest.raises(hrnet_tf.InputError, match=said):
        find_pieces(name if "://" in name else str(tmp_path / name), 3)


def test_parts_are_named_by_what_they_are_of(folder, tmp_path):
    names = [piece.name(n) for n, piece in enumerate(find_pieces(str(folder), 3))]
    moved = folder.rename(tmp_path / "moved")
    assert names == [
        piece.name(n) for n, piece in enumerate(find_pieces(str(moved), 3))
    ]
    (moved / "z.png").write_bytes(png(9))
    pieces = find_pieces(str(moved), 3)
    assert [pieces[0].name(0) == names[0], pieces[1].name(1) == names[1]] == [
        True,
        False,
    ]


def later(path):
    """Have a file be written later than it was."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10))


def changed_parts(source, change):
    """Of a source in pieces of three images, which parts are others after a change."""
    before = find_pieces(str(source), 3)
    change()
    after = find_pieces(str(source), 3)
    assert digest_of(before) == digest_of(after)  # the same job goes on
    pairs = enumerate(zip(before, after, strict=True))
    return [n for n, (old, new) in pairs if old.name(n) != new.name(n)]


def write_within_a_moment(path, content):
    """Change what a file holds, but not when it was written."""
    facts = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_parts_are_of_images_as_they_are(folder, tmp_path):
    listed, missing = tmp_path / "list.txt", tmp_path / "in" / "missing.png"
    listed.write_text("\n".join([*(f"in/{x}" for x in NAMES), str(missing)]))
    last = folder / "c d#.png"
    for source, content in ((folder, b"longer" * 99), (listed, png(3))):
        assert changed_parts(source, lambda: None) == []
        assert changed_parts(source, partial(later, folder / "a/1.png")) == [0]
        change = partial(write_within_a_moment, last, content)
        assert changed_parts(source, change) == [1]
    assert changed_parts(listed, partial(missing.write_bytes, png(1))) == [1]


def test_parts_of_files_of_many_images_are_of_them_as_they_are(tmp_path):
    records, table = tmp_path / "x.tfrecord", tmp_path / "x.parquet"
    write_records(records, [png(number) for number in range(5)])
    shorter = [png(number)[:-4] for number in range(5)]
    assert changed_parts(records, partial(write_records, records, shorter)) == [0, 1]
    old, new = (pa.table({"image": [png(n)] * 4}) for n in (1, 2))
    parquet.write_table(old, table)
    assert changed_parts(table, partial(parquet.write_table, new, table)) == [0, 1]


def test_parts_are_of_images_elsewhere_as_they_are(server):
    system = fsspec.filesystem("memory")
    put = partial(system.pipe, "/photos/1.png", png(1))
    put()
    assert changed_parts("memory://photos", put) == [0]
    system.rm("/photos", recursive=True)
    server.files = {"/1.png": png(1)}
    assert changed_parts(f"{server.url}/1.png", lambda: None) == []
    change = partial(server.files.update, {"/1.png": png(2)})
    assert changed_parts(f"{server.url}/1.png", change) == [0]


def write_half(folder, name):
    with folder.writing(name) as partial:
        partial.write_text("half")
        raise ValueError("in the middle")


@pytest.mark.parametrize("place", ["local", "memory://answers"])
def test_a_folder_has_whole_files(place, tmp_path):
    folder = Folder(str(tmp_path / "x") if place == "local" else place)
    assert folder.names() == set()
    folder.write_text("a.txt", "first")
    folder.write_text("_begun/b.txt", "1 process")
    with pytest.raises(ValueError, match="in the middle"):
        write_half(folder, "c")
    assert {name for name in folder.names() if name[0] not in "._"} == {"a.txt"}
    assert folder.read_text("a.txt") == "first"
    assert folder.read_text("c") is None
    folder.remove("_begun/b.txt")
    folder.remove("_begun/b.txt")
    assert folder.read_text("_begun/b.txt") is None
