import logging
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import InputError
from hrnet_tf.tasks.dense.config import DenseAugmentation
from hrnet_tf.tasks.dense.pipeline import training_pairs
from hrnet_tf.tasks.segmentation.classes import IGNORED
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.masks import open_masks
from hrnet_tf.tasks.segmentation.pipeline import MaskReader
from support.batches import assert_same, put_pair
from support.sides import CLASSES, picture

SIZE = (40, 56)
BATCH = 3
STEPS = 4
SHAPES = [(60, 90), (90, 60), (33, 200), (48, 48), (61, 83), (120, 50)]
PLAIN = DenseAugmentation(scale=(1.0, 1.0), flip_probability=0.0)


def put(root, part, name, shape):
    image, labels = picture(*shape)
    put_pair(root, part, name, image, masks=labels)


@pytest.fixture
def section(tmp_path):
    root = tmp_path / "data"
    for part, shapes in (("train", SHAPES), ("val", SHAPES[:2])):
        for i, shape in enumerate(shapes):
            put(root, part, f"{i}", shape)
    (root / "classes.yaml").write_text(
        f"{{name: sides, names: [{', '.join(CLASSES)}], flip_pairs: [[left, right]]}}"
    )
    return MaskSection(root=str(root))


def training(section, epochs=range(2), seed=0, reader=None):
    reader = reader or MaskReader(open_masks(section)[0], section)
    data = training_pairs(reader, SIZE, section, epochs, STEPS, BATCH, seed)
    with reader.broken.explained():
        return list(data.as_numpy_iterator())


def test_batches_are_bytes_that_fit_each_other(section):
    batches = training(section)
    assert len(batches) == 2 * STEPS
    for images, labels in batches:
        assert (images.shape, images.dtype) == ((BATCH, *SIZE, 3), np.uint8)
        assert (labels.shape, labels.dtype) == ((BATCH, *SIZE), np.uint8)
        for image, label in zip(images, labels, strict=True):
            inside = label != IGNORED
            assert inside.any()
            assert not image[~inside].any()
    plain = training(replace(section, augmentation=PLAIN))
    images, labels = map(np.concatenate, zip(*plain, strict=True))
    # Unscaled, green tells the label.
    green = images[..., 1].astype(int)
    expected = np.where(green > 180, 1, np.where(green < 80, 2, 0))
    inside = labels != IGNORED
    np.testing.assert_array_equal(labels[inside], expected[inside])


def test_shapes_are_known_to_the_graph(section):
    reader = MaskReader(open_masks(section)[0], section)
    data = training_pairs(reader, SIZE, section, range(1), STEPS, BATCH)
    assert data.element_spec == (
        tf.TensorSpec((BATCH, *SIZE, 3), tf.uint8),
        tf.TensorSpec((BATCH, *SIZE), tf.uint8),
    )


def test_a_mirrored_batch_has_its_sides_exchanged(section):
    flips = [replace(PLAIN, flip_probability=p) for p in (0.0, 1.0)]
    plain, mirrored = (training(replace(section, augmentation=it)) for it in flips)
    table = np.arange(256)
    table[[1, 2]] = [2, 1]
    for batch, other in zip(plain, mirrored, strict=True):
        np.testing.assert_array_equal(batch[0][:, :, ::-1], other[0])
        np.testing.assert_array_equal(table[batch[1]][:, :, ::-1], other[1])


def test_the_seed_says_what_comes(section):
    expected = training(section)
    assert_same(training(section), expected)
    other = training(section, seed=1)
    assert not np.array_equal(other[0][0], expected[0][0])


def test_epochs_differ_and_a_later_one_can_be_the_first(section):
    colored = DenseAugmentation(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1)
    section = replace(section, augmentation=colored)
    whole = training(section, epochs=range(3))
    assert_same(training(section, epochs=range(1, 3)), whole[STEPS:])
    assert not np.array_equal(whole[0][0], whole[STEPS][0])


def test_an_epoch_shows_every_sample_equally_often(section):
    for path in (section.root + "/images/train", section.root + "/masks/train"):
        for i in range(len(SHAPES)):
            value = np.full((*SIZE, 3), 10 * i + 5, np.uint8)
            array = value if "images" in path else np.zeros(SIZE, np.uint8)
            cv2.imwrite(f"{path}/{i}.png", array)
    batches = training(replace(section, augmentation=PLAIN), range(1))
    shown = np.concatenate([images[:, 0, 0, 0] for images, _ in batches])
    assert len(shown) == 2 * len(SHAPES)
    values, counts = np.unique(shown, return_counts=True)
    assert values.tolist() == [10 * i + 5 for i in range(len(SHAPES))]
    assert (counts == 2).all()


def test_colours_change_and_labels_do_not(section):
    before = training(replace(section, augmentation=PLAIN))
    brighter = replace(PLAIN, brightness=0.5)
    after = training(replace(section, augmentation=brighter))
    for batch, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(batch[1], other[1])
        assert np.abs(batch[0].astype(int) - other[0]).mean() > 2


def test_a_reader_gives_whole_samples(section):
    _, validation = open_masks(section)
    image, labels = MaskReader(validation, section).read(1)
    expected = picture(*SHAPES[1])
    np.testing.assert_array_equal(image, expected[0])
    np.testing.assert_array_equal(labels, expected[1])


def test_the_drawn_data_set_is_read(data_folder, tmp_path):
    (tmp_path / "classes.txt").write_text("background\nperson\nball\nbox\n")
    section = MaskSection(root=str(data_folder), classes=str(tmp_path / "classes.txt"))
    batches = training(section, range(1))
    assert set(np.unique([labels for _, labels in batches])) <= {0, 1, 2, 3, IGNORED}
    assert all(images.std() > 5 for images, _ in batches)


def spoil_value(image, mask):
    cv2.imwrite(mask, np.full(SHAPES[2], 7, np.uint8))
    return f"{mask} holds values .* such as 7, in {33 * 200} pixels"


def spoil_size(image, mask):
    cv2.imwrite(mask, np.zeros((33, 199), np.uint8))
    return f"the image has 200x33 pixels .*, its mask {mask} has 199x33"


def spoil_image(image, mask):
    with open(image, "wb") as stream:
        stream.write(b"text")
    return "the image cannot be decoded"


def spoil_mask(image, mask):
    with open(mask, "wb") as stream:
        stream.write(b"text")
    return f"the mask {mask} is broken, empty or no PNG or TIFF file"


def lose_mask(image, mask):
    os.unlink(mask)
    return "No such file"


@pytest.fixture(params=[spoil_value, spoil_size, spoil_image, spoil_mask, lose_mask])
def broken(request, section):
    """One training sample is broken: `(images, its image, what is wrong)`."""
    images, _ = open_masks(section)
    image, mask = images.images[2], images.targets[2]
    return images, image, request.param(image, mask)


def test_a_broken_sample_stops_with_its_name(broken, section):
    images, name, wrong = broken
    expected = rf"^{name}: .*{wrong}.* \(data\.on_error=skip goes on without it\)\.$"
    with pytest.raises(InputError, match=expected):
        training(section, reader=MaskReader(images, section))
    with pytest.raises(InputError, match=expected):
        MaskReader(images, section).read(2)


def test_a_broken_sample_does_not_count_and_changes_no_other(broken, section, caplog):
    images, name, _ = broken
    section = replace(section, on_error="skip")
    reader = MaskReader(images, section)
    assert reader.read(2) is None
    batches = training(section, reader=reader)
    pictures, labels = map(np.concatenate, zip(*batches, strict=True))
    empty = (labels == IGNORED).all(axis=(1, 2))
    assert empty.sum() == 4  # each comes up twice an epoch
    assert not pictures[empty].any()
    assert len(reader.broken.found) == 1
    assert caplog.text.count("skipped") == 1
    assert name in caplog.text
    put(Path(section.root), "train", "2", SHAPES[2])
    repaired = training(section, reader=MaskReader(images, section))
    expected, _ = map(np.concatenate, zip(*repaired, strict=True))
    np.testing.assert_array_equal(pictures[~empty], expected[~empty])


@pytest.fixture
def cached(section, tmp_path):
    return replace(section, cache=str(tmp_path / "cache"))


def test_a_cache_changes_nothing_and_is_used(section, cached, monkeypatch):
    expected = training(section)
    assert_same(training(cached), expected)

    def never(*arguments):
        raise AssertionError("decoded again")

    monkeypatch.setattr(MaskReader, "_decode", never)
    assert_same(training(cached), expected)
    image, labels = MaskReader(open_masks(cached)[0], cached).read(0)
    np.testing.assert_array_equal(image, picture(*SHAPES[0])[0])
    assert image.flags.writeable
    assert labels.flags.writeable


def test_a_cache_holds_two_arrays_a_sample(cached, tmp_path):
    training(cached)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".npy"}
    assert len(files) == 2 * len(SHAPES)


@pytest.mark.parametrize("change", ["time", "size", "classes"])
def test_a_cache_follows_its_source(change, cached):
    images, _ = open_masks(cached)
    before = MaskReader(images, cached).read(0)
    mask = images.targets[0]
    facts = os.stat(mask)
    expected = 2 - before[1]
    if change == "classes":
        names = f"{{name: turned, names: [{', '.join(CLASSES)}], ids: [2, 1, 0]}}"
        with open(f"{cached.root}/classes.yaml", "w") as stream:
            stream.write(names)
        images, _ = open_masks(cached)
    else:
        level = 0 if change == "size" else 3  # of compression
        cv2.imwrite(mask, expected, [cv2.IMWRITE_PNG_COMPRESSION, level])
        later = facts.st_mtime_ns + (10**9 if change == "time" else 0)
        os.utime(mask, ns=(later, later))
        assert change == "time" or os.stat(mask).st_size != facts.st_size
    _, labels = MaskReader(images, cached).read(0)
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_damaged_array_is_written_anew(content, cached, tmp_path):
    images, _ = open_masks(cached)
    expected = MaskReader(images, cached).read(0)
    files = sorted((tmp_path / "cache").rglob("*.npy"))
    for path in files:
        path.write_bytes(path.read_bytes()[:-5] if content is None else content)
    for found, part in zip(MaskReader(images, cached).read(0), expected, strict=True):
        np.testing.assert_array_equal(found, part)
    assert all(np.load(path).size for path in files)


def test_without_room_for_a_cache_everything_is_decoded(section, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    (tmp_path / "file").write_text("no folder")
    full = replace(section, cache=str(tmp_path / "file" / "cache"))
    assert_same(training(full), training(section))
    assert caplog.text.count("is decoded each time") == 1
