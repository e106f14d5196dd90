import contextlib
import json

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import InputError, cli
from hrnet_tf.tasks.classification import shards as shards_module
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.classification.pipeline import ImageReader
from hrnet_tf.tasks.classification.shard_index import read_index
from hrnet_tf.tasks.classification.shards import verify_shards, write_shards
from hrnet_tf.tasks.classification.survey import survey_images
from support.damage import DAMAGES, assert_one_sentence, flipped

COUNTS = {"ant": 9, "bee": 6}


@pytest.fixture
def root(tmp_path):
    """Files of 4 kB each; nothing here decodes them."""
    rng = np.random.default_rng(0)
    for name, count in COUNTS.items():
        for i in range(count):
            path = tmp_path / "data" / name / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(rng.bytes(4096))
    return tmp_path / "data"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "shards"


def write(root, out, **settings):
    return write_shards(root, out, **{"shards": 3, "workers": 1, **settings})


def contents(images):
    return {
        name.decode(): (encoded, int(label))
        for _, name, encoded, label in images.in_order().as_numpy_iterator()
    }


def damage(path, at=100):
    data = bytearray(path.read_bytes())
    data[at] ^= 255
    path.write_bytes(data)


def test_shards_hold_the_files_as_they_are(root, out):
    assert write(root, out) == {"written": 4, "kept": 0}
    for images, folders in zip(open_images(out), open_images(root), strict=True):
        assert images.classes == folders.classes == ("ant", "bee")
        assert images.class_counts.tolist() == folders.class_counts.tolist()
        expected = {
            file.removeprefix(f"{root}/"): ((root / file).read_bytes(), label)
            for file, label in zip(folders.files, folders.labels, strict=True)
        }
        assert contents(images) == expected


def test_the_files_are_those_of_the_index(root, out):
    write(root, out)
    index = json.loads((out / "index.json").read_text())
    names = [entry["file"] for part in index["shards"].values() for entry in part]
    assert names == [
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
        "val-00000-of-00001.tfrecord",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["index.json", *names]
    assert [entry["records"] for entry in index["shards"]["train"]] == [4, 4, 4]
    assert verify_shards(out, workers=1) == 4


def test_records_name_class_and_file(root, out):
    write(root, out)
    record = next(iter(tf.data.TFRecordDataset(str(next(out.glob("val-*"))))))
    features = tf.train.Example.FromString(record.numpy()).features.feature
    name = features["image/filename"].bytes_list.value[0].decode()
    text = features["image/class/text"].bytes_list.value[0].decode()
    assert name.split("/")[0] == text
    assert ["ant", "bee"][features["image/class/label"].int64_list.value[0]] == text


def test_classes_are_mixed_within_shards(root, out):
    write(root, out)
    for images in open_images(out):
        labels = [label for _, label in contents(images).values()]
        assert labels != sorted(labels)


def test_processes_write_what_one_writes(root, out, tmp_path, monkeypatch):
    write(root, out)
    asked = []
    with shards_module._in_processes(2) as run:  # one start for both

        def in_processes(workers):
            asked.append(workers)
            return contextlib.nullcontext(run)

        monkeypatch.setattr(shards_module, "_in_processes", in_processes)
        write(root, tmp_path / "parallel", workers=2)
        assert verify_shards(tmp_path / "parallel", workers=2) == 4
    assert asked == [2, 2]
    for path in out.iterdir():
        assert (tmp_path / "parallel" / path.name).read_bytes() == path.read_bytes()


def test_finished_shards_are_kept(root, out):
    write(root, out)
    (out / "train-00001-of-00003.tfrecord").unlink()
    damage(out / "train-00002-of-00003.tfrecord")
    before = (out / "index.json").read_bytes()
    assert write(root, out) == {"written": 2, "kept": 2}
    assert (out / "index.json").read_bytes() == before
    assert verify_shards(out, workers=1) == 4


def test_an_interrupted_call_goes_on(root, out, monkeypatch):
    finish = shards_module._write

    def interrupted(shard):
        if "00001" in shard.path.name:
            raise KeyboardInterrupt
        finish(shard)

    monkeypatch.setattr(shards_module, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(root, out)
    with pytest.raises(InputError, match="lacks 2 of 3 shards, such as train-00001-of"):
        open_images(out)
    monkeypatch.undo()
    assert write(root, out) == {"written": 3, "kept": 1}
    assert len(open_images(out)[0]) == 12


def test_a_half_written_shard_never_has_the_final_name(root, out):
    files = sorted(root.rglob("*.jpg"))
    files[-1].unlink()
    files[-1].symlink_to(root / "nowhere")
    with pytest.raises(InputError, match=r"Image .*\.jpg cannot be read"):
        write(root, out)
    index = json.loads((out / "index.json").read_text())
    finished = {
        entry["file"]
        for part in index["shards"].values()
        for entry in part
        if entry["sha256"]
    }
    assert {path.name for path in out.glob("*.tfrecord")} == finished
    assert len(finished) < 4


@pytest.mark.parametrize(
    "other", [{"shards": 2}, {"seed": 1}, {"validation_share": 0.5}]
)
def test_other_settings_are_an_error(other, root, out):
    write(root, out)
    with pytest.raises(InputError, match=f"of other images or .*{next(iter(other))}: "):
        write(root, out, **other)


def test_other_images_are_an_error(root, out):
    write(root, out)
    (root / "ant" / "new.jpg").write_bytes(b"new")
    with pytest.raises(InputError, match=r"of other images or settings \(images: "):
        write(root, out)


def test_another_folder_is_not_written_to(root):
    with pytest.raises(InputError, match=r"is not empty and holds no index\.json"):
        write(root, root)


def test_shards_are_not_sharded_again(root, out, tmp_path):
    write(root, out)
    with pytest.raises(InputError, match="holds shards already"):
        write(out, tmp_path / "again")


def test_more_shards_than_images_are_an_error(root, out):
    with pytest.raises(InputError, match="holds 12 training images, too few for 13"):
        write(root, out, shards=13)


@pytest.mark.parametrize("name", ["shards", "workers"])
def test_numbers_must_be_positive(name, root, out):
    with pytest.raises(InputError, match=f"number of {name} must be positive, got 0"):
        write(root, out, **{name: 0})


def test_damage_is_found_and_named(root, out):
    write(root, out)
    damage(out / "train-00002-of-00003.tfrecord")
    with pytest.raises(InputError, match="1 of 4 shards are damaged: train-00002-of"):
        verify_shards(out, workers=1)


def test_a_cut_off_shard_is_found_on_opening(root, out):
    write(root, out)
    path = out / "val-00000-of-00001.tfrecord"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"val-00000-of-00001\.tfrecord has \d+ bytes"):
        open_images(out)
    path.unlink()
    with pytest.raises(InputError, match=r"val-00000-of-00001\.tfrecord is missing"):
        open_images(out)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}'])
def test_another_index_is_an_error(text, tmp_path):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(InputError, match=r"index\.json (cannot be read|does not say)"):
        open_images(tmp_path)


def test_the_command_writes_and_goes_on(root, out, capsys):
    command = ["shard", str(root), str(out), "--shards", "2", "--workers", "1"]
    cli.main(command)
    assert "3 shards written, 0 kept" in capsys.readouterr().out
    cli.main(command)
    assert "0 shards written, 3 kept" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main([*command, "--seed", "1"])
    assert "seed: 0 -> 1" in capsys.readouterr().err


def test_the_advice_about_broken_images_is_taken(root, out, capsys):
    (root / "ant" / "notes.txt").write_text("no image")
    (root / "bee" / "9.jpg").symlink_to(root / "nowhere")
    command = ["shard", str(root), str(out), "--workers", "1"]
    with pytest.raises(SystemExit):
        cli.main(command)
    assert "data.on_error=skip" in capsys.readouterr().err
    cli.main([*command, "data.on_error=skip"])
    said = capsys.readouterr()
    assert "written" in said.out
    assert "9.jpg cannot be read" in said.err
    assert sum(map(len, open_images(out))) == sum(COUNTS.values())
    with pytest.raises(SystemExit):
        cli.main([*command, "data.on_eror=skip"])
    assert "did you mean `data.on_error`?" in capsys.readouterr().err


def test_a_damaged_shard_is_named_where_it_is_read(root, out):
    write(root, out)
    damage(out / "train-00001-of-00003.tfrecord", 5000)
    training, _ = open_images(out)
    reader = ImageReader(training, "skip")
    said = r"00001-of-00003\.tfrecord is damaged behind image 1 of 4; the same `hrnet"
    with pytest.raises(InputError, match=said):
        survey_images(reader)  # as `data check` does
    assert write(root, out) == {"written": 1, "kept": 3}
    assert training.damaged() == []


KINDS = {**DAMAGES, "a byte": flipped(0x15), "a bit": flipped(0x01)}


@pytest.mark.parametrize("damage", KINDS.values(), ids=KINDS)
def test_a_damaged_index_ends_in_a_sentence(damage, root, out, rng):
    write(root, out)
    raw = (out / "index.json").read_bytes()
    whole = read_index(out)
    for at in rng.integers(0, len(raw), 60):
        (out / "index.json").write_bytes(damage(raw, at))
        try:
            found = read_index(out)
        except InputError as error:
            assert_one_sentence(str(error), out)
        else:
            assert found == whole


def entry(index):
    return index["shards"]["train"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.pop("shards"),
        lambda index: index["shards"].pop("val"),
        lambda index: index["shards"].update(val=[]),
        lambda index: index.update(classes=["ant", "ant"]),
        lambda index: index["class_counts"].update(train=[1, 2, 3]),
        lambda index: index["class_counts"].update(train=[1, 2]),
        lambda index: entry(index).update(file="../../elsewhere.tfrecord"),
        lambda index: entry(index).update(records=-1),
        lambda index: entry(index).update(records=True),
        lambda index: entry(index).update(bytes=None),
        lambda index: entry(index).update(sha256="short"),
        lambda index: index.update(settings=None),
    ],
)
def test_an_index_is_checked_without_its_checksum_too(change, root, out):
    write(root, out)
    index = json.loads((out / "index.json").read_text())
    del index["seal"]
    (out / "index.json").write_text(json.dumps(index))
    open_images(out)  # as those of before have none
    change(index)
    (out / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"index\.json is damaged: .*same `hrnet-tf"):
        open_images(out)


def test_the_advice_about_a_damaged_index_is_taken(root, out, caplog):
    write(root, out)
    whole = (out / "index.json").read_bytes()
    (out / "index.json").write_bytes(whole[:-40])
    assert write(root, out) == {"written": 4, "kept": 0}
    assert "cannot be read" in caplog.text
    assert (out / "index.json").read_bytes() == whole


def test_an_index_of_somebody_else_is_not_overwritten(root, out):
    out.mkdir()
    (out / "index.json").write_text('{"pages": 1}')
    with pytest.raises(InputError, match="But nothing tells that the files"):
        write(root, out)
    assert (out / "index.json").read_text() == '{"pages": 1}'
