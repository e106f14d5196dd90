import json
import logging
import threading

import fsspec
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.data import remote, stores
from hrnet_tf.data.remote import is_remote, local_file, local_folder

pytestmark = pytest.mark.usefixtures("cache")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.org/b", True),
        ("s3://bucket/b", True),
        ("/data/b", False),
        ("C:\\data", False),
        ("b:c", False),
        (None, False),
    ],
)
def test_addresses_are_told_from_paths(text, expected):
    assert is_remote(text) == expected


def test_a_file_is_fetched_once(server):
    server.files["/a/b%20c.json"] = b"[1]"
    url = f"{server.url}/a/b%20c.json"
    path = local_file(url)
    assert (path.name, path.read_bytes()) == ("b c.json", b"[1]")
    assert local_file(url) == path
    assert server.fetched == ["/a/b%20c.json"]


@pytest.mark.parametrize("tags", [True, False])
def test_a_changed_file_is_fetched_again(tags, server, caplog):
    server.tags, url = tags, f"{server.url}/a.json"
    server.files["/a.json"] = b"old"
    local_file(url)
    server.files["/a.json"] = b"newer"
    assert local_file(url).read_bytes() == b"newer"
    server.files["/a.json"] = b"other"
    same = b"other" if tags else b"newer"  # of the same size
    assert local_file(url).read_bytes() == same
    assert ("is not noticed" in caplog.text) == (not tags)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "There is no http.*a.json"),
        (403, "may not be read: the server says 403"),
        (503, "cannot be copied: the server says 503"),
    ],
)
def test_what_cannot_be_had_is_said(status, said, server):
    server.refused["/a.json"] = status
    with pytest.raises(InputError, match=said):
        local_file(f"{server.url}/a.json")


def test_nothing_is_left_of_a_copy_that_broke_off(server, cache):
    server.files["/a.json"], server.short = b"whole", {"/a.json"}
    with pytest.raises(InputError, match="broke off after 4 of 5 bytes"):
        local_file(f"{server.url}/a.json")
    assert server.fetched == ["/a.json"] * stores.TRIES
    assert [x for x in cache.rglob("*") if x.name == "a.json"] == []
    server.short = set()
    assert local_file(f"{server.url}/a.json").read_bytes() == b"whole"


def test_nobody_answers(server):
    server.close()
    with pytest.raises(InputError, match=r"cannot be copied: .*refused"):
        local_file(f"{server.url}/a.json")


def test_a_folder_of_the_web_is_what_its_names_say(server, caplog):
    server.files |= {"/i/a.png": b"a", "/i/b/c.png": b"c"}
    names = ["a.png", "b/c.png", "missing.png", "../outside.png"]
    folder = local_folder(f"{server.url}/i/", names)
    assert folder.name == "i"
    assert (folder / "b" / "c.png").read_bytes() == b"c"
    assert "1 of 3 files are not there, such as missing.png" in caplog.text
    assert "/outside.png" not in server.fetched
    server.fetched.clear()
    server.files["/i/a.png"] = b"A"
    assert (local_folder(f"{server.url}/i", names) / "a.png").read_bytes() == b"A"
    assert sorted(server.fetched) == ["/i/a.png", "/i/missing.png"]


def test_many_files_are_not_asked_again_and_that_is_said(server, caplog, monkeypatch):
    monkeypatch.setattr(remote, "ASKED", 1)
    server.files |= {"/i/a.png": b"a", "/i/b.png": b"b"}
    for _ in range(2):
        folder = local_folder(f"{server.url}/i", ["a.png", "b.png"])
        server.files["/i/a.png"] = b"changed"
    assert (folder / "a.png").read_bytes() == b"a"
    assert "2 files are as they were copied, too many to ask" in caplog.text


def test_a_folder_of_the_web_without_names_is_refused(server):
    with pytest.raises(InputError, match=r"cannot be listed.*such as s3://"):
        local_folder(f"{server.url}/i")


def test_a_forbidden_image_stops_the_copy_and_what_was_copied_stays(server):
    server.files |= {"/i/a.png": b"a", "/i/b.png": b"b"}
    server.refused["/i/b.png"] = 403
    with pytest.raises(InputError, match=r"b\.png may not be read"):
        local_folder(f"{server.url}/i", ["a.png", "b.png"])
    del server.refused["/i/b.png"]
    server.fetched.clear()
    local_folder(f"{server.url}/i", ["a.png", "b.png"])
    assert server.fetched == ["/i/b.png"]


def test_a_folder_that_can_be_listed_is_followed(memory):
    memory.pipe({"/data/i/a.png": b"a", "/data/i/b/c.png": b"c"})
    folder = local_folder("memory://data/i")
    assert (folder / "a.png").read_bytes() == b"a"
    assert (folder / "b" / "c.png").read_bytes() == b"c"
    memory.rm("/data/i/b/c.png")
    memory.pipe({"/data/i/a.png": b"longer"})
    folder = local_folder("memory://data/i")
    assert (folder / "a.png").read_bytes() == b"longer"
    assert not (folder / "b" / "c.png").exists()


def test_a_folder_that_is_not_there(memory):
    with pytest.raises(InputError, match=r"There is no .*memory://data/none"):
        local_folder("memory://data/none")


def test_a_removed_copy_is_made_again(memory):
    memory.pipe({"/data/i/a.png": b"a"})
    (local_folder("memory://data/i") / "a.png").unlink()
    assert (local_folder("memory://data/i") / "a.png").read_bytes() == b"a"


def test_a_damaged_note_is_said(memory, cache, caplog):
    memory.pipe({"/data/a.json": b"a"})
    local_file("memory://data/a.json")
    (note,) = cache.rglob(remote.NOTE)
    note.write_text("{")
    assert local_file("memory://data/a.json").read_bytes() == b"a"
    assert "is damaged" in caplog.text
    assert json.loads(note.read_text())["url"] == "memory://data/a.json"


def test_files_of_this_machine_are_taken_where_they_are(tmp_path, cache):
    (tmp_path / "a b.json").write_text("[]")
    assert local_file((tmp_path / "a b.json").as_uri()) == tmp_path / "a b.json"
    assert local_folder(tmp_path.as_uri()) == tmp_path
    assert not cache.exists()


def test_of_several_at_once_one_copies(server, caplog):
    caplog.set_level(logging.INFO)
    server.files["/a.json"] = b"a" * 1000
    found = []
    work = [
        threading.Thread(
            target=lambda: found.append(local_file(f"{server.url}/a.json"))
        )
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(found) == 4
    assert server.fetched == ["/a.json"]


def test_addresses_that_nothing_reads_are_refused():
    with pytest.raises(InputError, match="nowhere://a/b cannot be read"):
        local_file("nowhere://a/b")


def test_what_an_address_needs_is_named(monkeypatch):
    def refuse(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(InputError, match=r"Install s3fs.*'hrnet-tf\[remote\]'"):
        local_file("s3://bucket/a.json")


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch, server):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv(remote.CACHE, str(tmp_path / "taken"))
    with pytest.raises(InputError, match=remote.CACHE):
        local_file(f"{server.url}/a.json")
