"""Folders, lists, Parquet and TFRecord files in pieces, here and elsewhere."""

import http.server
import io
import threading

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


NAMES = ["a/1.png", "a/2.png", "b.png", "c d#.png"]


@pytest.mark.parametrize("start", ["", "file://"])
def test_a_folder_is_read_in_order_with_what_lies_below(start, folder):
    pieces = find_pieces(f"{start}{folder}", 3)
    assert [piece.count for piece in pieces] == [3, 1]
    found = content(pieces)
    assert list(found) == NAMES
    assert found["b.png"] == png(0)


def test_a_folder_elsewhere(folder):
    system = fsspec.filesystem("memory")
    system.put(str(folder), "/photos", recursive=True)
    pieces = find_pieces("memory://photos", 3)
    assert list(content(pieces).items()) == list(
        content(find_pieces(str(folder), 3)).items()
    )
    assert digest_of(pieces) == digest_of(find_pieces(str(folder), 3))
    system.rm("/photos", recursive=True)


def test_a_list_of_paths_and_addresses(folder, tmp_path):
    handler = type(
        "Quiet",
        (http.server.SimpleHTTPRequestHandler,),
        {"log_message": lambda *_: None, "directory": str(folder)},
    )

    def handle(*given):
        handler(*given, directory=str(folder))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handle)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    lines = ["in/b.png", str(folder / "a/1.png"), "", f"{url}/a/2.png", "in/none.png"]
    (tmp_path / "list.txt").write_text("\n".join([*lines, f"{url}/none.png"]))
    try:
        found = content(find_pieces(str(tmp_path / "list.txt"), 10))
    finally:
        server.shutdown()
        server.server_close()
    assert [found[line] for line in lines[:2]] == [png(0), png(1)]
    assert found[f"{url}/a/2.png"] == png(2)
    assert "in/none.png cannot be read: there is no such" in found["in/none.png"]
    assert "the server says 404" in found[f"{url}/none.png"]


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
