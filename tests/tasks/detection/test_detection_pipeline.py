"""Images with objects to batches, against the record of the reference program."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.preprocess import resized
from hrnet_tf.tasks.detection.coco_objects import CocoObjects
from hrnet_tf.tasks.detection.config import DetectionData, ObjectsAugmentation
from hrnet_tf.tasks.detection.geometry import (
    batch_size_for,
    fitted_size,
    moved_boxes,
    moved_mask,
    normalised,
    padded_side,
    scale_factors,
)
from hrnet_tf.tasks.detection.objects import Wanted
from hrnet_tf.tasks.detection.pipeline import (
    ObjectReader,
    alike_in_batches,
    random_epochs,
    training_batches,
    unpacked,
)
from hrnet_tf.tasks.keypoints.outlines import pixels_inside
from support.objects import annotation, write_objects
from support.official import read_arrays

RECORD = read_arrays("detection", "preprocess")


def test_sizes_and_scale_factors_are_those_of_the_record():
    rows = zip(RECORD["sizes"].tolist(), RECORD["scale_factors"], strict=True)
    for (height, width, *wanted), factors in rows:
        fitted = fitted_size((height, width), (1333, 800))
        assert [*fitted, *map(padded_side, fitted)] == wanted
        np.testing.assert_array_equal(scale_factors((height, width), fitted), factors)


def test_an_image_becomes_the_input_of_the_record():
    image = RECORD["image_bgr"][..., ::-1]
    size = fitted_size(image.shape[:2], RECORD["target_scale"])
    look = resized(np.ascontiguousarray(image), size)
    np.testing.assert_array_equal(look[..., ::-1], RECORD["resized_bgr"])
    boxes = moved_boxes(RECORD["boxes"], image.shape[:2], size)
    np.testing.assert_allclose(boxes, RECORD["resized_boxes"], atol=1e-5)
    flipped = moved_boxes(RECORD["boxes"], image.shape[:2], size, flip=True)
    np.testing.assert_allclose(flipped, RECORD["flipped_boxes"], atol=1e-5)
    padded = np.zeros((1, *RECORD["pad_shape"], 3), np.uint8)
    padded[0, : size[0], : size[1]] = look[:, ::-1]
    found = normalised(tf.constant(padded), tf.constant([size], tf.int32))
    np.testing.assert_allclose(found[0], RECORD["network_input_rgb"], atol=1e-5)


def test_batches_have_few_sizes():
    scale = (1333, 800)
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(300):
        ratio = rng.uniform(1.2, 1.8)
        images = [fitted_size((480, round(480 * ratio)), scale) for _ in range(2)]
        size = batch_size_for(np.array(images), scale, 128)
        assert (np.array(size) >= np.max(images, axis=0)).all()
        assert not (np.array(size) % 32).any()
        found.add(size)
    assert found == {(800, 1024), (800, 1152), (800, 1280), (800, 1344), (768, 1344)}
    assert batch_size_for(np.array([[800, 800]]), scale, 128) == (896, 800)


def test_batches_are_of_one_kind_and_rounds_are_whole():
    kinds = np.arange(10) < 7
    rng = np.random.default_rng(0)
    order = alike_in_batches(kinds, 20, 2, rng).reshape(20, 2)
    for pair in order:
        assert kinds[pair].all() or not kinds[pair].any()
    assert sorted(set(order[:6].ravel())) == list(range(10))  # 4 + 2 batches a round
    np.testing.assert_array_equal(alike_in_batches(kinds, 1, 4, rng).shape, (4,))
    few = alike_in_batches(np.array([True]), 2, 3, rng)
    np.testing.assert_array_equal(few, np.zeros(6))


SIZES = [(40, 64), (64, 40), (30, 62)]


def made(folder, sizes=SIZES, scale=(96, 64), masks=True, rows=None, **more):
    rows = rows or [
        annotation(1, 1, (5, 6, 20, 10)),
        annotation(2, 1, (30, 10, 25, 25), 7, iscrowd=1),
        annotation(3, 2, (10, 20, 30, 44)),
        annotation(4, 3, (0, 0, 62, 30)),
    ]
    section = write_objects(folder, rows, sizes)
    data = DetectionData(section, section, scale=scale, bucket=32, **more)
    objects = CocoObjects(section, "", Wanted(masks)).objects()
    policy = more.get("on_error", "stop")
    return data, ObjectReader(objects, masks, data.bucket, scale, policy)


def test_objects_stay_where_they_are_in_their_images(tmp_path):
    """A batch shows the pixels of its boxes, mirrored or not."""
    _, reader = made(tmp_path)
    rows = np.array([0, 2])
    scales = np.array([[96, 64]] * 2)
    for flip in (False, True):
        found = reader.batch(rows, scales, np.array([flip, flip]))
        images, sizes, boxes, labels, crowds, packed = found
        assert images.shape == (2, 64, 96, 3)
        np.testing.assert_array_equal(sizes, [[60, 96], [46, 96]])
        assert labels.tolist() == [[0, 1] + [-1] * 6, [0] + [-1] * 7]
        assert crowds.sum() == 1
        masks = unpacked(tf.constant(packed)).numpy()
        assert masks.shape == (2, 8, 64, 96)
        assert not images[1, 46:].any()
        for number, row in enumerate(rows):
            for place in range(len(reader.objects.boxes[row])):
                ys, xs = np.nonzero(masks[number, place])
                box = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
                np.testing.assert_allclose(box, boxes[number, place], atol=1)
        whole = reader.image(0)
        look = resized(whole, (60, 96))[:, :: -1 if flip else 1]
        np.testing.assert_array_equal(images[0, :60], look)


def test_masks_are_the_nearest_pixels():
    outline = [[3, 4, 20, 6, 11, 17]]
    before, after = (24, 30), (36, 45)
    inside = pixels_inside(outline, before)
    rows = np.floor(np.arange(36) * 24 / 36).astype(int)
    columns = np.floor(np.arange(45) * 30 / 45).astype(int)
    found = moved_mask(outline, before, after)
    np.testing.assert_array_equal(found, inside[np.ix_(rows, columns)])
    flipped = moved_mask(outline, before, after, flip=True)
    np.testing.assert_array_equal(flipped, found[:, ::-1])


def test_batches_are_named_and_the_same_for_the_same_seed(tmp_path):
    augmentation = ObjectsAugmentation(brightness=0.2, short_sides=(48, 64))
    data, reader = made(tmp_path, augmentation=augmentation)
    epoch = random_epochs(reader.objects, data, 3, 2, 5)
    both = [
        list(training_batches(reader, data, epoch, range(2), 2, 5)) for _ in range(2)
    ]
    assert len(both[0]) == 6
    for first, second in zip(*both, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, first, second)
    inputs, targets = both[0][0]
    assert inputs["image"].dtype == tf.uint8
    assert inputs["sizes"].dtype == tf.int32
    assert {name: value.dtype for name, value in targets.items()} == {
        "boxes": tf.float32,
        "labels": tf.int32,
        "crowds": tf.uint8,
        "masks": tf.uint8,
    }
    assert targets["masks"].shape[2:] == inputs["image"].shape[1:3]
    shapes = {tuple(batch[0]["image"].shape[1:3]) for batch in both[0]}
    assert len(shapes) > 1
    later = list(training_batches(reader, data, epoch, range(1, 2), 2, 5))
    tf.nest.map_structure(np.testing.assert_array_equal, later, both[0][3:])


def test_steps_of_all_sizes_are_traced_once(tmp_path):
    data, reader = made(tmp_path, masks=False)
    epoch = random_epochs(reader.objects, data, 4, 1, 0)
    traced = []

    @tf.function
    def steps(batches):
        traced.append(1)
        total = tf.constant(0, tf.int64)
        for inputs, targets in batches:
            total += tf.reduce_sum(tf.cast(inputs["image"], tf.int64))
            total += tf.cast(tf.size(targets["labels"]), tf.int64)
        return total

    for number in range(2):
        batches = training_batches(reader, data, epoch, range(number, number + 1), 1)
        assert steps(batches) > 0
    assert len(traced) == 1


def test_no_box_one_pixel_and_a_thousand_boxes_make_batches(tmp_path):
    rows = [annotation(n + 1, 1, (n % 60, n % 36, 1, 1)) for n in range(1000)]
    _, reader = made(tmp_path, rows=rows)
    found = reader.batch(np.array([0, 2]), np.array([[96, 64]] * 2), np.zeros(2, bool))
    _, _, boxes, labels, _, packed = found
    assert labels.shape == (2, 1024)
    assert ((labels >= 0).sum(axis=1) == [1000, 0]).all()
    assert ((boxes[0, :1000, 2:] - boxes[0, :1000, :2]) > 0).all()
    assert packed.shape == (2, 1024, 64, 12)


def test_broken_images_stop_or_another_takes_their_place(tmp_path, caplog):
    _, reader = made(tmp_path)
    (tmp_path / "images" / "1.png").write_bytes(b"no image")
    given = np.array([0, 2]), np.array([[96, 64]] * 2), np.zeros(2, bool)
    with pytest.raises(InputError, match=r"image .*1\.png \(image id 1\)"):
        reader.batch(*given)
    _, reader = made(tmp_path, on_error="skip")
    (tmp_path / "images" / "1.png").write_bytes(b"no image")
    images, *_ = reader.batch(*given)
    np.testing.assert_array_equal(images[0], images[1])
    assert "skipped image" in caplog.text
    (tmp_path / "images" / "3.png").write_bytes(b"nor this")
    with pytest.raises(InputError, match="none of 3 images"):
        reader.batch(*given)
