"""An image is what a viewer shows, in every task and command."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hrnet_tf import read_image
from hrnet_tf.common.reading import Reading
from hrnet_tf.tasks.classification.config import ImageAugmentation
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.classification.pipeline import (
    ImageReader,
    training_images,
    validation_images,
)
from hrnet_tf.tasks.classification.shards import write_shards
from hrnet_tf.tasks.dense.config import DenseAugmentation
from hrnet_tf.tasks.dense.pipeline import training_pairs
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.augment import CropGeometry, plain_crops
from hrnet_tf.tasks.pose.pipeline import CropReader, crop_batches
from hrnet_tf.tasks.pose.survey import survey_people
from hrnet_tf.tasks.regression.config import MapSection
from hrnet_tf.tasks.regression.maps import open_maps, read_map
from hrnet_tf.tasks.regression.pipeline import MapReader
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.masks import open_masks, read_mask
from hrnet_tf.tasks.segmentation.pipeline import MaskReader
from support.stored import TURNS, encoded, stored_of

STORED = Reading("stored")
SIZE = (32, 24)


def shown(turn):
    """What is to be seen, of another colour and size for each tag."""
    height, width = 40 + turn, 64 - turn
    y, x = np.mgrid[:height, :width]
    image = [255 * x / width, 255 * y / height, np.full_like(x, 20 * turn)]
    return np.stack(image, axis=-1).astype(np.uint8)


def write(path, pixels, turn=1, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(stored_of(pixels, turn), path.suffix, turn, **options))
    return path


def same(batches, expected):
    for batch, other in zip(batches, expected, strict=True):
        for part, its in zip(batch, other, strict=True):
            np.testing.assert_array_equal(part, its)


# Classes


@pytest.fixture(params=["files", "shards"])
def images(request, tmp_path):
    """An image for each tag, in files or in shards."""
    for part in ("train", "val"):
        for turn in TURNS:
            write(tmp_path / part / "ab"[turn % 2] / f"{turn}.jpg", shown(turn), turn)
    if request.param == "files":
        return open_images(tmp_path)
    write_shards(tmp_path, tmp_path / "shards", shards=1, workers=1)
    return open_images(tmp_path / "shards")


def as_predicted(images, reader):
    """What `predict` looks at, by the names of the images."""
    predicted = {}
    for _, name, content, _ in images.in_order().as_numpy_iterator():
        path = Path(name.decode())
        whole = read_image(path) if not content else None
        if whole is None:
            whole = reader.decode(0, name, content)
        turn = int(path.stem)
        difference = np.abs(whole.astype(int) - shown(turn)).max()
        assert difference < 12, turn
        predicted[turn] = whole
    return predicted


def test_classes_are_learnt_from_what_is_shown(images):
    reader = ImageReader(images[0])
    as_predicted(images[0], reader)
    settings = ImageAugmentation(scale=(0.5, 1.0))

    def batches(reader):
        made = training_images(reader, SIZE, settings, range(2), 2, 4)
        return list(made.as_numpy_iterator())

    by_python = batches(ImageReader(images[0]))
    warm = ImageReader(images[0])
    for index, name, content, _ in images[0].in_order().as_numpy_iterator():
        warm.decode(index, name, content)
    assert warm._turns.max() == 8
    by_tensorflow = batches(warm)
    for batch, other in zip(by_tensorflow, by_python, strict=True):
        # A window of a JPEG is smoothed otherwise at its edge, by two levels.
        assert np.abs(batch[0].astype(int) - other[0]).max() <= 2
        np.testing.assert_array_equal(batch[1], other[1])


def test_classes_are_judged_by_what_is_shown(images):
    reader = ImageReader(images[1])
    first = list(validation_images(reader, SIZE, 3).as_numpy_iterator())
    same(validation_images(reader, SIZE, 3).as_numpy_iterator(), first)
    crops = np.concatenate([batch[0] for batch in first])
    view = validation_images(ImageReader(images[1], reading=STORED), SIZE, 3)
    stored = np.concatenate([batch[0] for batch in view.as_numpy_iterator()])
    names = [row[1] for row in images[1].in_order().as_numpy_iterator()]
    for crop, other, name in zip(crops, stored, names, strict=True):
        turn = int(Path(name.decode()).stem)
        # Red rises to the right, green to the bottom.
        columns, rows = crop[..., 0].mean(axis=0), crop[..., 1].mean(axis=1)
        assert (np.diff(columns.astype(int)) >= 0).all(), turn
        assert (np.diff(rows.astype(int)) >= 0).all(), turn
        assert np.array_equal(crop, other) == (turn == 1)


def test_a_batch_without_tags_is_not_touched_by_python(tmp_path, monkeypatch):
    for part in ("train", "val"):
        for turn in TURNS:
            write(tmp_path / part / "ab"[turn % 2] / f"{turn}.jpg", shown(turn))
    images, _ = open_images(tmp_path)
    reader = ImageReader(images)
    for row in images.in_order().as_numpy_iterator():
        reader.decode(*row[:3])
    monkeypatch.setattr("hrnet_tf.images.files.turned", None)
    list(training_images(reader, SIZE, ImageAugmentation(), range(1), 2, 4))


# People


@pytest.fixture
def people(tmp_path):
    """Someone in an image for each tag, annotated on what is shown."""
    files = [str(write(tmp_path / f"{turn}.jpg", shown(turn), turn)) for turn in TURNS]
    boxes = np.array([[5.0, 8, 30, 25]] * 8)
    keypoints = np.zeros((8, 17, 3))
    keypoints[:, 0] = 20, 20, 1
    sizes = np.array([shown(turn).shape[:2] for turn in TURNS])
    ids = np.arange(8)
    sources = np.array([f"person {turn}" for turn in TURNS])
    scores = np.ones(8)
    return People(np.array(files), ids, sources, sizes, boxes, scores, keypoints)


def test_people_are_cut_out_of_what_is_shown(people, coco_set):
    matrices = plain_crops(people, CropGeometry(SIZE, 1.25))
    reader = CropReader(people, SIZE)
    by_python = list(crop_batches(reader, matrices, 3).as_numpy_iterator())
    assert sorted(reader._turns.values()) == list(TURNS)
    by_tensorflow = list(crop_batches(reader, matrices, 3).as_numpy_iterator())
    for crops, others in zip(by_tensorflow, by_python, strict=True):
        assert np.abs(crops[0].astype(int) - others[0]).max() <= 2
        assert crops[1].all()
        assert others[1].all()
    crops = np.concatenate([batch[0] for batch in by_python])
    for row, matrix in enumerate(matrices):
        image = read_image(people.files[row])
        expected = cv2.warpAffine(image, matrix, SIZE[::-1])
        # Positions are rounded to 1/32 pixel.
        assert np.abs(crops[row].astype(int) - expected).mean() < 2
    assert survey_people(reader, coco_set).broken == ()


def test_sizes_as_stored_are_refused_with_the_option(people, coco_set):
    stored = people.image_sizes.copy()
    stored[4:] = stored[4:, ::-1]
    wrong = replace(people, image_sizes=stored)
    reader = CropReader(wrong, SIZE, "skip")
    matrices = plain_crops(wrong, CropGeometry(SIZE, 1.25))
    _, good = next(crop_batches(reader, matrices, 8).as_numpy_iterator())
    assert good.tolist() == [True] * 4 + [False] * 4
    survey = survey_people(CropReader(wrong, SIZE), coco_set)
    assert len(survey.broken) == 4
    assert all("data.orientation=stored" in line for line in survey.broken)
    _, good = next(
        crop_batches(
            CropReader(wrong, SIZE, reading=STORED), matrices, 8
        ).as_numpy_iterator()
    )
    assert good.all()


# Pixels


def put_pairs(root, kind, suffix, as_shown=True, image=".jpg"):
    """Images of each tag, and masks or maps of what they show."""
    targets = []
    for turn in TURNS:
        pixels = shown(turn)
        write(root / "images" / f"{turn}{image}", pixels, turn)
        values = (pixels[..., 0] > 120).astype(np.uint8)
        values = values if as_shown else stored_of(values, turn)
        path = root / kind / f"{turn}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".npy":
            np.save(path, values)
        else:
            Image.fromarray(values).save(path)
        targets.append(values)
    (root / "classes.txt").write_text("left\nright\n")
    return targets


READERS = {
    "masks": (MaskSection, open_masks, MaskReader, ".png"),
    "TIFF masks": (MaskSection, open_masks, MaskReader, ".tif"),
    "PNG maps": (MapSection, open_maps, MapReader, ".png"),
    "TIFF maps": (MapSection, open_maps, MapReader, ".tif"),
    "NumPy maps": (MapSection, open_maps, MapReader, ".npy"),
}


@pytest.fixture(params=READERS.values(), ids=READERS)
def dense(request, tmp_path):
    """Puts a data set: `dense(as_shown)` gives a section and its readers."""
    section, opened, reader, suffix = request.param

    def make(as_shown=True, **settings):
        kind = "masks" if section is MaskSection else "targets"
        put_pairs(tmp_path, kind, suffix, as_shown)
        plain = DenseAugmentation(scale=(1.0, 1.0), flip_probability=0.0)
        made = section(root=str(tmp_path), augmentation=plain, **settings)
        return made, [reader(part, made) for part in opened(made)]

    return make


def test_pixels_are_learnt_from_what_is_shown(dense, tmp_path):
    section, readers = dense(cache=str(tmp_path / "cache"))
    for reader in (*readers, *readers):  # decoded, then from the cache
        for index, name in enumerate(reader.images.names):
            image, target = reader.read(index)
            np.testing.assert_array_equal(
                image, read_image(reader.images.images[index])
            )
            assert np.abs(image.astype(int) - shown(int(name))).max() < 12
            known = np.abs(image[..., 0].astype(int) - 120) > 12
            right = np.squeeze(target) == (image[..., 0] > 120)
            assert right[known].all()
    batches = training_pairs(readers[0], (48, 64), section, range(1), 1, 4)
    images, targets = next(batches.as_numpy_iterator())
    for image, target in zip(images, targets, strict=True):
        inside = image.any(axis=-1)
        known = inside & (np.abs(image[..., 0].astype(int) - 120) > 12)
        assert (np.squeeze(target) == (image[..., 0] > 120))[known].all()


def test_targets_as_stored_are_refused_with_the_option(dense):
    _, readers = dense(as_shown=False, on_error="skip")
    for reader in readers:
        for index, name in enumerate(reader.images.names):
            assert (reader.read(index) is None) == (int(name) >= 5)
        lines = reader.broken.found
        assert all("as it is stored: its EXIF tag turns it" in line for line in lines)
        assert all("data.orientation=stored" in line for line in lines)


def test_everything_may_be_taken_as_stored(dense, tmp_path):
    _, readers = dense(False, orientation="stored", cache=str(tmp_path / "cache"))
    for reader in readers:
        for index, path in enumerate(reader.images.images):
            image, target = reader.read(index)
            np.testing.assert_array_equal(image, read_image(path, "stored"))
            assert target.shape[:2] == image.shape[:2]


def test_a_cache_tells_orientations_apart(tmp_path):
    put_pairs(tmp_path, "masks", ".png", as_shown=False)
    section = MaskSection(
        root=str(tmp_path), cache=str(tmp_path / "cache"), orientation="stored"
    )
    training, _ = open_masks(section)
    for part in (section, replace(section, orientation="upright", on_error="skip")):
        reader = MaskReader(training, part)
        for index, path in enumerate(training.images):
            sample = reader.read(index)
            if sample is not None:
                expected = read_image(path, part.orientation)
                np.testing.assert_array_equal(sample[0], expected)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_masks_and_maps_with_a_tag_are_turned(turn, suffix, tmp_path):
    values = (shown(turn)[..., 0] // 50).astype(np.uint8)
    path = write(tmp_path / f"a{suffix}", values, turn)
    np.testing.assert_array_equal(read_mask(path), values)
    np.testing.assert_array_equal(read_mask(path, STORED), stored_of(values, turn))
    section = MapSection(root=str(tmp_path))
    np.testing.assert_array_equal(read_map(path, section)[..., 0], values)
    section = replace(section, orientation="stored")
    found = read_map(path, section)[..., 0]
    np.testing.assert_array_equal(found, stored_of(values, turn))
