"""Names of the parts of a data set: the same rule for every task."""

import cv2
import numpy as np
import pytest

from hrnet_tf import InputError
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.classification.shards import write_shards
from hrnet_tf.tasks.regression.config import MapSection
from hrnet_tf.tasks.regression.maps import open_maps
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.masks import open_masks

PIXELS = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PIXELS)


def put_classes(root, part, count):
    put(root, *(f"{part}/{c}/{i}.png" for c in ("ant", "bee") for i in range(count)))


def put_pairs(root, part, count, targets):
    for folder in ("images", targets):
        put(root, *(f"{folder}/{part}/{i}.png" for i in range(2 * count)))
    (root / "classes.txt").write_text("a\nb\n")


def put_scenes(root, part, count):
    for folder in ("image", "label"):
        put(root, *(f"{part}/{folder}/{i}.png" for i in range(2 * count)))


def open_shards(root):
    write_shards(root, root.with_name("shards"), workers=1)
    return open_images(root.with_name("shards"))


DATA_SETS = {
    "classes": (put_classes, open_images),
    "shards": (put_classes, open_shards),
    "masks": (
        lambda *given: put_pairs(*given, "masks"),
        lambda root: open_masks(MaskSection(root=str(root))),
    ),
    "maps": (
        lambda *given: put_pairs(*given, "targets"),
        lambda root: open_maps(MapSection(root=str(root))),
    ),
    "scenes": (
        put_scenes,
        lambda root: open_masks(MaskSection(root=str(root), layout="ade20k")),
    ),
}
BOTH = (
    ("train", "validation"),
    ("train", "valid"),
    ("Train", "Val"),
    ("training", "dev"),
    ("TRAINING", "Validation"),
)


@pytest.fixture(params=DATA_SETS.values(), ids=DATA_SETS)
def data_set(request, tmp_path):
    """How to put a part, and how to open the whole."""
    put_part, open_all = request.param
    root = tmp_path / "data"
    return (
        lambda part, count: put_part(root, part, count),
        lambda: tuple(map(len, open_all(root))),
    )


@pytest.mark.parametrize("names", BOTH, ids="-".join)
def test_parts_may_have_any_of_their_names(names, data_set, caplog):
    put_part, sizes = data_set
    put_part(names[0], 3)
    put_part(names[1], 1)
    assert sizes() == (6, 2)
    assert "not used" not in caplog.text


def test_what_is_not_used_is_named(data_set, caplog):
    put_part, sizes = data_set
    for name, count in (("train", 3), ("val", 1), ("Test", 2), ("extra", 1)):
        put_part(name, count)
    assert sizes() == (6, 2)
    (line,) = [text for text in caplog.messages if text.startswith("not used")]
    assert "Test" in line
    assert "extra" in line
    assert "validation val, valid, validation or dev" in line


@pytest.mark.parametrize("twice", [("train", "training"), ("val", "Valid")])
def test_a_part_that_is_there_twice_is_refused(twice, data_set):
    put_part, sizes = data_set
    for name in {"train", "val", *twice}:
        put_part(name, 2)
    with pytest.raises(InputError, match="they mean the same part") as caught:
        sizes()
    assert all(name in str(caught.value) for name in twice)


@pytest.mark.parametrize("names", [("test", "val"), ("testing",), ("Validation",)])
def test_without_training_data_there_is_none(names, data_set):
    put_part, sizes = data_set
    for name in names:
        put_part(name, 2)
    with pytest.raises(InputError, match=r"no train|folders .*train"):
        sizes()


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "testing")])
def test_test_data_are_never_taken_for_validation(names, data_set, request, caplog):
    put_part, sizes = data_set
    for name in names:
        put_part(name, 5)
    if "masks" in request.node.name or "maps" in request.node.name:
        assert sizes() == (8, 2)  # a share of the training data is held out
        assert f"{names[1]} (training takes" in caplog.text
    else:
        with pytest.raises(InputError, match=r"no val/|folders .*val/image"):
            sizes()


def test_images_in_folders_of_parts_have_no_class(tmp_path):
    put(tmp_path, "train/1.png", "train/2.png", "val/1.png", "val/2.png")
    with pytest.raises(InputError, match="images directly in them; put the images"):
        open_images(tmp_path)


def test_images_and_targets_may_use_different_names(tmp_path):
    for part, count in (("train", 3), ("val", 1)):
        put(tmp_path, *(f"images/{part}/{i}.png" for i in range(count)))
    for part, count in (("Training", 3), ("validation", 1)):
        put(tmp_path, *(f"masks/{part}/{i}.png" for i in range(count)))
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert tuple(map(len, open_masks(MaskSection(root=str(tmp_path))))) == (3, 1)


def test_lists_of_parts_follow_the_rule(tmp_path):
    put(tmp_path, *(f"JPEGImages/{n}.jpg" for n in "ab"))
    put(tmp_path, *(f"SegmentationClassContext/{n}.png" for n in "ab"))
    lists = tmp_path / "ImageSets/SegmentationContext"
    lists.mkdir(parents=True)
    (lists / "Train.txt").write_text("a\n")
    (lists / "validation.txt").write_text("b\n")
    section = MaskSection(root=str(tmp_path), layout="pascal_context")
    assert tuple(map(len, open_masks(section))) == (1, 1)
