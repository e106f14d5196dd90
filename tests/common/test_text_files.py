import codecs
import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from hrnet_tf import InputError, KeypointSet, read_config
from hrnet_tf.common.text_files import (
    as_json,
    read_json,
    read_names,
    read_rows,
    read_text,
    write_json,
)
from hrnet_tf.common.typed_yaml import merge, read_typed, write_config
from hrnet_tf.tasks import read_manifest
from hrnet_tf.tasks.keypoints.detections import read_boxes
from hrnet_tf.tasks.pose.config import PoseConfig
from hrnet_tf.tasks.segmentation.classes import ClassSet

NAMES = "Löwe\nTür\n"
ENCODED = {
    "UTF-8": NAMES.encode(),
    "UTF-8 with a mark": codecs.BOM_UTF8 + NAMES.encode(),
    "UTF-16": NAMES.encode("utf-16"),
    "UTF-16, the other way round": codecs.BOM_UTF16_BE + NAMES.encode("utf-16-be"),
    "Windows": NAMES.replace("\n", "\r\n").encode(),
    "old Mac": NAMES.replace("\n", "\r").encode(),
    "no end": NAMES.rstrip().encode(),
    "empty lines at the end": (NAMES + "\n \n").encode(),
    "blanks": "  Löwe\t\nTür \n".encode(),
    "two files put together": "Löwe\n\ufeffTür\n".encode(),
}


def written(tmp_path, content, name="classes.txt"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", ENCODED.values(), ids=ENCODED)
def test_names_are_the_same_whoever_wrote_them(content, tmp_path):
    path = written(tmp_path, content)
    assert read_names(path) == ("Löwe", "Tür")
    assert ClassSet.read(path).names == ("Löwe", "Tür")


READERS = {
    "names": read_names,
    "classes": ClassSet.read,
    "keypoints": KeypointSet.read,
    "a configuration": read_config,
    "JSON": read_json,
    "boxes": lambda path: read_boxes(str(path)),
    "rows": read_rows,
}
NO_TEXT = {
    "Latin-1": ("a: b\nc: Löwe".encode("latin-1"), "line 2: byte 0xf6 is no UTF-8"),
    "UTF-16 without a mark": ("a: b".encode("utf-16-le"), "line 1: holds zeros"),
    "half of UTF-16": ("a: b".encode("utf-16")[:-1], "line 1: byte .* is no UTF-16"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "line 1: byte 0x89 is no UTF-8"),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(("content", "problem"), NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_ends_in_one_sentence(reader, content, problem, tmp_path):
    path = written(tmp_path, content, "file.txt")
    with pytest.raises(InputError, match=f"{path}.*: {problem}") as caught:
        reader(path)
    assert "\n" not in str(caught.value)
    assert "save" in str(caught.value)


BAD_NAMES = {
    "one is there twice": ("a\nb\na\n", "line 3: a is there already, in line 1"),
    "nothing": ("\n\n", "is empty; it must hold"),
}


@pytest.mark.parametrize(("text", "problem"), BAD_NAMES.values(), ids=BAD_NAMES)
def test_names_that_are_no_good_are_told_with_their_line(text, problem, tmp_path):
    path = written(tmp_path, text.encode())
    with pytest.raises(InputError, match=f"^{path}: {problem}"):
        read_names(path)


def test_an_empty_line_between_names_is_told(tmp_path, caplog):
    path = written(tmp_path, b"a\n\nb\n\n")
    assert read_names(path) == ("a", "b")
    assert caplog.messages == [f"{path}: line 2 is empty and does not count"]


def test_rows_must_be_as_long_as_their_names(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n")
    assert read_rows(path, ["a"]) == [{"a": "1", "b": "2"}]
    with pytest.raises(InputError, match="has no column 'c'"):
        read_rows(path, ["c"])
    path.write_text("a,b\n1\n")
    with pytest.raises(InputError, match="line 2: has another number of columns"):
        read_rows(path)


def test_a_folder_and_nothing_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_text(tmp_path)
    with pytest.raises(InputError, match="There is no file"):
        read_text(tmp_path / "nothing")


def test_json_holds_no_number_that_is_none(tmp_path):
    facts = {"a": [float("nan"), 1.5], "b": (float("inf"), "NaN"), "c": None}
    path = tmp_path / "facts.json"
    write_json(path, facts)
    assert json.loads(path.read_text()) == {
        "a": [None, 1.5],
        "b": [None, "NaN"],
        "c": None,
    }
    assert "NaN" not in as_json(float("nan"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["facts.json"]


def test_json_that_is_broken_names_its_file(tmp_path):
    path = written(tmp_path, b"[" * 100_000, "deep.json")
    with pytest.raises(InputError, match=f"{path} is no valid JSON"):
        read_json(path)


# What YAML 1.1 takes for truths, numbers, dates or nothing.
ODD = ["on", "off", "yes", "No", "010", "1", "1.0", "null", "~", "2024-01-02", "1e3"]


def test_names_in_yaml_are_text_as_it_is_written(tmp_path):
    listed = ", ".join(ODD)
    keypoints = written(
        tmp_path,
        f"""
name: odd
names: [{listed}]
flip_pairs: [[on, off], ["010", 1.0]]
sigmas: [{", ".join(["0.1"] * len(ODD))}]
skeleton: [[yes, No], [null, ~]]
upper_body: [2024-01-02]
category: 007
""".encode(),
        "odd.yaml",
    )
    found = KeypointSet.read(keypoints)
    assert found.names == tuple(ODD)
    assert found.flip_pairs == (("on", "off"), ("010", "1.0"))
    assert found.skeleton == (("yes", "No"), ("null", "~"))
    assert found.upper_body == ("2024-01-02",)
    assert found.category == "007"
    classes = written(tmp_path, f"name: 1\nnames: [{listed}]\n".encode(), "set.yaml")
    assert ClassSet.read(classes).names == tuple(ODD)


def test_pairs_may_be_given_by_index():
    made = KeypointSet(
        "face", ("a", "b", "c"), ((0, 2),), (0.1,) * 3, ((0, 1), ("1", "c")), (2,)
    )
    assert made.flip_pairs == (("a", "c"),)
    assert made.skeleton == (("a", "b"), ("b", "c"))
    assert made.upper_body == ("c",)
    assert ClassSet("s", ("a", "b"), flip_pairs=((1, 0),)).flip_pairs == (("b", "a"),)
    # A name wins over an index.
    numbered = ClassSet("s", ("1", "0"), flip_pairs=(("0", "1"),))
    assert numbered.flip_pairs == (("0", "1"),)
    with pytest.raises(InputError, match=r"holds 3, .* begin at 0 and end at 1"):
        ClassSet("s", ("a", "b"), flip_pairs=((0, 3),))


TEXTS = {
    "output=on": ("output", "on"),
    "output=010": ("output", "010"),
    "data.train.images=1.0": ("data.train.images", "1.0"),
    "data.train.images=a: b #c [d": ("data.train.images", "a: b #c [d"),
    "data.keypoints='off'": ("data.keypoints", "off"),
    "data.train.boxes=null": ("data.train.boxes", None),
    "train.freeze_layers=[on,1]": ("train.freeze_layers", ("on", "1")),
    "train.epochs=010": ("train.epochs", 10),
    "train.learning_rate=1e-3": ("train.learning_rate", 0.001),
    "model.width=18": ("model.width", 18),
    "model.width=18_small_v1": ("model.width", "18_small_v1"),
}
PARTS = {part: {"annotations": "a", "images": "b"} for part in ("train", "validation")}


@pytest.mark.parametrize(("override", "expected"), TEXTS.items(), ids=TEXTS)
def test_overrides_are_text_where_text_is_asked_for(override, expected, tmp_path):
    given = OmegaConf.create({"data": PARTS})
    config = merge(PoseConfig, given, [override], where="here")
    value = config
    for name in expected[0].split("."):
        value = getattr(value, name)
    assert value == expected[1]
    write_config(config, tmp_path / "config.yaml")
    assert read_typed(PoseConfig, tmp_path / "config.yaml") == config


YAML_MISTAKES = {
    "a key twice": ("seed: 1\nseed: 2\n", "the key 'seed' is there twice.* line 2"),
    "a key that is no word": ("[1]: 2\n", "a key must be a word"),
    "a list": ("- 1\n", "must hold `key: value` lines, not a list"),
    "one word": ("hello\n", "must hold `key: value` lines, not a word"),
    "itself": ("seed: &a [*a]\n", "no valid YAML"),
    "a key that YAML makes true": ("on: 1\n", "unknown key `on`"),
    "an object": ("seed: !!python/name:os.system\n", "no valid YAML"),
}


@pytest.mark.parametrize(("text", "problem"), YAML_MISTAKES.values(), ids=YAML_MISTAKES)
def test_yaml_that_is_no_good_names_its_file(text, problem, tmp_path):
    path = written(tmp_path, text.encode(), "mine.yaml")
    with pytest.raises(InputError, match=f"(?s){path}.*{problem}") as caught:
        read_config(path)
    assert "unicode string" not in str(caught.value)


def test_a_set_may_hold_more_than_ten_thousand_names(tmp_path):
    from hrnet_tf.tasks.base.manifest import ImageInput
    from hrnet_tf.tasks.classification.manifest import ClassificationManifest

    names = tuple(f"class {number} \U0001f981" for number in range(12_000))
    path = tmp_path / "manifest.json"
    ClassificationManifest("m", ImageInput(32, 32), names).write(path)
    assert read_manifest(path).classes == names


def test_lists_of_images_are_read_likewise(tmp_path):
    from hrnet_tf.tasks.segmentation.config import MaskSection
    from hrnet_tf.tasks.segmentation.masks import open_masks

    lists = tmp_path / "ImageSets" / "SegmentationContext"
    for folder in (
        lists,
        tmp_path / "JPEGImages",
        tmp_path / "SegmentationClassContext",
    ):
        folder.mkdir(parents=True)
    for name in ("a", "b"):
        Path(tmp_path / "JPEGImages" / f"{name}.jpg").write_bytes(b"1")
        Path(tmp_path / "SegmentationClassContext" / f"{name}.png").write_bytes(b"1")
    (lists / "train.txt").write_bytes(codecs.BOM_UTF8 + b"a\r\n\r\na\r\n")
    (lists / "val.txt").write_bytes("b".encode("utf-16"))
    section = MaskSection(root=str(tmp_path), layout="pascal_context")
    training, validation = open_masks(section)
    assert (list(training.names), list(validation.names)) == (["a"], ["b"])
