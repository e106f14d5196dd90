from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import InputError, read_image
from hrnet_tf.images.preprocess import warp
from hrnet_tf.tasks.pose.augment import CropGeometry, plain_crops
from hrnet_tf.tasks.pose.config import AugmentationSection
from hrnet_tf.tasks.pose.pipeline import (
    CropReader,
    crop_batches,
    random_epochs,
    training_batches,
)
from support.batches import assert_same

SIZE = (64, 48)
GEOMETRY = CropGeometry(SIZE, 1.25)
BATCH = 4
STEPS = 3


@pytest.fixture
def make_epoch(people, coco_set):
    """What each epoch consists of, for a seed."""

    def make(seed=0, count=STEPS * BATCH):
        settings = AugmentationSection()
        return random_epochs(people, coco_set, settings, GEOMETRY, count, seed)

    return make


@pytest.fixture
def make_batches(people, make_epoch):
    """The batches of some epochs as arrays."""

    def make(epochs, seed=0, reader=None):
        reader = reader or CropReader(people, SIZE)
        batches = training_batches(reader, make_epoch(seed), epochs, BATCH)
        return list(batches.as_numpy_iterator())

    return make


@pytest.fixture
def damage(people, tmp_path):
    """People of whom the first has a broken image."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    files = people.files.astype(object)
    files[0] = str(broken)
    return replace(people, files=files.astype(str))


def test_batches_are_bytes_and_keypoints(make_batches):
    batches = make_batches(range(2))
    assert len(batches) == 2 * STEPS
    for crops, keypoints in batches:
        assert (crops.shape, crops.dtype) == ((BATCH, *SIZE, 3), np.uint8)
        assert (keypoints.shape, keypoints.dtype) == ((BATCH, 17, 3), np.float32)


def test_shapes_are_known_to_the_graph(people, make_epoch):
    data = training_batches(CropReader(people, SIZE), make_epoch(), range(1), BATCH)
    assert [spec.shape.as_list() for spec in data.element_spec] == [
        [BATCH, *SIZE, 3],
        [BATCH, 17, 3],
    ]


def test_parallel_batches_are_what_is_read_one_by_one(people, make_epoch, make_batches):
    reader, crops, keypoints = CropReader(people, SIZE), [], []
    for number in range(2):
        order, matrices, drawn = make_epoch()(number)
        crops += [reader.read(*pair)[0] for pair in zip(order, matrices, strict=True)]
        keypoints += list(drawn)
    batches = make_batches(range(2))
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), crops)
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), keypoints)


def test_the_same_seed_gives_the_same_batches(make_batches):
    assert_same(make_batches(range(2), seed=3), make_batches(range(2), seed=3))


def test_another_seed_gives_other_batches(make_batches):
    first, other = make_batches(range(1), seed=3), make_batches(range(1), seed=4)
    assert not np.array_equal(first[0][1], other[0][1])


def test_resuming_goes_on_with_the_same_batches(make_batches):
    assert_same(make_batches(range(2, 4)), make_batches(range(4))[2 * STEPS :])


def test_epochs_differ(make_epoch):
    epoch = make_epoch()
    assert not np.array_equal(epoch(0)[1], epoch(1)[1])


@pytest.mark.parametrize("count", [5, 17, 40])
def test_everyone_comes_up_equally_often(count, people, make_epoch):
    order, matrices, keypoints = make_epoch(count=count)(0)
    assert len(order) == len(matrices) == len(keypoints) == count
    times = np.bincount(order, minlength=len(people))
    assert times.max() - times.min() <= 1


def test_keypoints_belong_to_the_people_in_order(people, coco_set):
    count = len(people)
    keypoints = people.keypoints.copy()
    keypoints[..., 2] = np.arange(17) < np.arange(count)[:, None]  # 0, 1, 2, ...
    epoch = random_epochs(
        replace(people, keypoints=keypoints),
        coco_set,
        AugmentationSection(),
        GEOMETRY,
        count,
        seed=0,
    )
    order, _, drawn = epoch(0)
    np.testing.assert_array_equal(drawn[..., 2].sum(axis=1), order)


def test_a_crop_is_cut_out_of_its_image(people):
    matrix = plain_crops(people, GEOMETRY)[1]
    crop, good = CropReader(people, SIZE).read(1, matrix)
    expected = warp(read_image(people.files[1]), matrix, SIZE)
    # OpenCV and TensorFlow round colours otherwise, and positions to 1/32 pixel.
    assert np.abs(crop.astype(int) - expected).mean() < 2
    assert good


def test_a_broken_image_stops_with_its_name(damage):
    reader = CropReader(damage, SIZE, "stop")
    batches = crop_batches(reader, plain_crops(damage, GEOMETRY), BATCH)
    with pytest.raises(InputError) as caught, reader.broken.explained():
        list(batches)
    assert str(caught.value) == (
        f"{damage.sources[0]}: the image cannot be decoded: it is broken, empty or no "
        "image (data.on_error=skip goes on without it)."
    )


def test_a_broken_image_is_skipped_with_a_count(damage, caplog):
    reader = CropReader(damage, SIZE, "skip")
    matrix = plain_crops(damage, GEOMETRY)[0]
    for _ in range(3):
        crop, good = reader.read(0, matrix)
    assert not good
    np.testing.assert_array_equal(crop, np.zeros((*SIZE, 3)))
    assert len(reader.broken.found) == 1
    assert caplog.text.count("skipped") == 1


def test_a_skipped_crop_weighs_nothing_in_training(damage, make_epoch, make_batches):
    order, _, drawn = make_epoch()(0)
    batches = make_batches(range(1), reader=CropReader(damage, SIZE, "skip"))
    keypoints = np.concatenate([batch[1] for batch in batches])
    is_broken = order == 0
    assert is_broken.any()
    assert not keypoints[is_broken].any()
    np.testing.assert_array_equal(keypoints[~is_broken], drawn[~is_broken])


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_an_image_that_went_away_is_handled_as_a_broken_one(on_error, people, tmp_path):
    files = np.full(len(people), str(tmp_path / "gone.jpg"))
    reader = CropReader(replace(people, files=files), SIZE, on_error)
    matrix = plain_crops(people, GEOMETRY)[0]
    if on_error == "skip":
        assert not reader.read(0, matrix)[1]
    else:
        with pytest.raises(InputError, match=r"No such file .*gone\.jpg"):
            reader.read(0, matrix)


def test_an_image_of_another_size_than_annotated_is_broken(people):
    boxes = np.tile([300, 300, 100, 100], (len(people), 1))
    larger = replace(people, image_sizes=people.image_sizes * 2, boxes=boxes)
    matrix = plain_crops(larger, GEOMETRY)[0]
    with pytest.raises(
        InputError, match=r"256x256 pixels .* its annotation says 512x512"
    ):
        CropReader(larger, SIZE).read(0, matrix)


def test_crops_come_in_order_and_completely(people):
    matrices = plain_crops(people, GEOMETRY)
    reader = CropReader(people, SIZE)
    batches = list(crop_batches(reader, matrices, 4).as_numpy_iterator())
    assert len(batches[-1][0]) == len(people) % 4
    crops = np.concatenate([batch[0] for batch in batches])
    expected = [reader.read(i, matrix)[0] for i, matrix in enumerate(matrices)]
    np.testing.assert_array_equal(crops, expected)
    assert np.concatenate([batch[1] for batch in batches]).all()


def test_skipped_crops_are_marked(damage):
    reader = CropReader(damage, SIZE, "skip")
    batches = crop_batches(reader, plain_crops(damage, GEOMETRY), len(damage))
    _, good = next(batches.as_numpy_iterator())
    np.testing.assert_array_equal(good, np.arange(len(damage)) > 0)


def test_errors_of_other_origin_pass_unchanged(people):
    with (
        pytest.raises(tf.errors.InvalidArgumentError),
        CropReader(people, SIZE).broken.explained(),
    ):
        tf.reshape(tf.ones(3), (2, 2))
