"""Crops of images with their labels, against the plain order of doing it."""

import cv2
import numpy as np
import pytest

from hrnet_tf.tasks.dense.augment import Cut, cut_image, random_cut, scaled_size
from hrnet_tf.tasks.dense.config import DenseAugmentation
from hrnet_tf.tasks.segmentation.classes import IGNORED, ClassSet
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.pipeline import cut_labels, mirrored_labels
from support.sides import picture

SIZE = (40, 56)


def make_crop(image, labels, size, cut, mirror=(0, 2, 1)):
    crop = np.zeros((*size, 3), np.uint8), np.full(size, IGNORED, np.uint8)
    cut_image(image, cut, crop[0])
    cut_labels(labels, cut, mirrored_labels(np.array(mirror)), crop[1])
    return crop


def crop_whole(image, labels, size, cut, mirror=(0, 2, 1)):
    """The plain order: resize all of it, pad, crop, mirror."""
    # OpenCV's nearest neighbour differs where the middle lies between two pixels.
    nearest = [
        np.floor((np.arange(whole) + 0.5) * source / whole).astype(int)
        for whole, source in zip(cut.resized, labels.shape, strict=True)
    ]
    labels = labels[np.ix_(*nearest)]
    image = cv2.resize(image, cut.resized[::-1], interpolation=cv2.INTER_LINEAR)
    bottom, right = (max(0, size[i] - cut.resized[i]) for i in (0, 1))
    image = np.pad(image, ((0, bottom), (0, right), (0, 0)))
    labels = np.pad(labels, ((0, bottom), (0, right)), constant_values=IGNORED)
    rows = slice(cut.top, cut.top + size[0])
    columns = slice(cut.left, cut.left + size[1])
    image, labels = image[rows, columns], labels[rows, columns]
    if cut.flip:
        image, labels = image[:, ::-1], labels[:, ::-1]
        labels = np.append(mirror, IGNORED)[np.minimum(labels, len(mirror))]
    return image, labels


@pytest.mark.parametrize("seed", range(8))
def test_a_crop_is_that_of_the_whole_image(seed):
    rng = np.random.default_rng(seed)
    source = tuple(rng.integers(40, 160, 2).tolist())
    image, labels = picture(*source)
    section = MaskSection(root="x", augmentation=DenseAugmentation(scale=(0.51, 2.0)))
    for _ in range(10):
        size = tuple(rng.integers(20, 130, 2).tolist())
        cut = random_cut(source, size, section, rng.random(4))
        found = make_crop(image, labels, size, cut)
        expected = crop_whole(image, labels, size, cut)
        assert np.abs(found[0].astype(int) - expected[0]).max() <= 1
        np.testing.assert_array_equal(found[1], expected[1])


def test_at_its_own_size_a_crop_is_a_part_of_the_image(rng):
    image = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    labels = rng.integers(0, 3, (50, 70), dtype=np.uint8)
    found = make_crop(image, labels, (20, 30), Cut((50, 70), 13, 40, False))
    np.testing.assert_array_equal(found[0], image[13:33, 40:])
    np.testing.assert_array_equal(found[1], labels[13:33, 40:])


def test_a_crop_beyond_the_image_is_black_and_does_not_count(rng):
    image = rng.integers(1, 256, (10, 12, 3), dtype=np.uint8)
    labels = rng.integers(0, 3, (10, 12), dtype=np.uint8)
    found = make_crop(image, labels, (20, 30), Cut((10, 12), 0, 0, False))
    np.testing.assert_array_equal(found[0][:10, :12], image)
    np.testing.assert_array_equal(found[1][:10, :12], labels)
    assert not found[0][10:].any()
    assert not found[0][:, 12:].any()
    assert (found[1][10:] == IGNORED).all()
    assert (found[1][:, 12:] == IGNORED).all()


def test_much_smaller_images_are_averages(rng):
    image = rng.integers(0, 256, (160, 240, 3), dtype=np.uint8)
    labels = np.zeros((160, 240), np.uint8)
    found, _ = make_crop(image, labels, (10, 12), Cut((16, 24), 3, 9, False))
    expected = image.reshape(16, 10, 24, 10, 3).mean(axis=(1, 3))
    assert np.abs(found - expected[3:13, 9:21]).max() <= 1


def test_a_mirror_exchanges_the_sides_of_lip():
    lip = ClassSet.read("lip")
    labels = np.tile(np.append(np.arange(20), IGNORED), (3, 1)).astype(np.uint8)
    image = np.zeros((3, 21, 3), np.uint8)
    _, found = make_crop(image, labels, (3, 21), Cut((3, 21), 0, 0, True), lip.mirror)
    expected = [IGNORED, 18, 19, 16, 17, 14, 15, *range(13, -1, -1)]
    assert found[0].tolist() == expected


SIZES = {
    # Half the long side of 2048, the size of Cityscapes.
    "long side": ({"base_size": 2048}, (1024, 2048), 0.5, (512, 1024)),
    "its own": ({}, (300, 200), 1.5, (450, 300)),
    "rounded": ({}, (100, 75), 0.333, (33, 25)),
    # ADE20K: the short side becomes 520, then the long side scale times 520.
    "short side first": (
        {"short_side": 520, "base_size": 520},
        (260, 390),
        2.0,
        (693, 1040),
    ),
    "short side only": ({"short_side": 100}, (50, 80), 1.0, (100, 160)),
    # LIP: all have one shape.
    "no shape": ({"keep_aspect": False}, (700, 300), 2.0, (80, 112)),
    "never nothing": ({}, (1, 300), 0.5, (1, 150)),
}


@pytest.mark.parametrize(
    ("given", "source", "scale", "size"), SIZES.values(), ids=SIZES
)
def test_sizes_at_a_scale(given, source, scale, size):
    assert scaled_size(source, SIZE, MaskSection(root="x", **given), scale) == size


def test_crops_are_drawn_from_the_whole_range():
    section = MaskSection(root="x", augmentation=DenseAugmentation(scale=(0.5, 2.0)))
    rng = np.random.default_rng(0)
    cuts = [random_cut((100, 200), SIZE, section, rng.random(4)) for _ in range(2000)]
    scales = np.array([cut.resized[1] for cut in cuts]) / 200
    assert 0.5 <= scales.min() < 0.51
    assert 1.99 < scales.max() <= 2
    assert scales.mean() == pytest.approx(1.25, abs=0.03)
    assert np.mean([cut.flip for cut in cuts]) == pytest.approx(0.5, abs=0.05)
    tops = np.array([(cut.top, cut.resized[0] - SIZE[0] - cut.top) for cut in cuts])
    assert tops.min(axis=0).tolist() == [0, 0]  # both edges are reached, none passed
