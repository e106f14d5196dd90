"""Mask targets and pasted masks against the record of MMDetection."""

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_masks

from hrnet_tf.tasks.detection.masks import mask_targets, paste, soft_targets
from support.official import read_arrays

RECORD = read_arrays("detection", "masks")
SIZE = RECORD["image_shape"].tolist()


def unpacked(name, shape):
    pixels = np.prod(shape)
    bits = np.unpackbits(RECORD[name], axis=1)[:, :pixels]
    return bits.reshape(-1, *shape)


MASKS = unpacked("gt_masks", SIZE)


def test_targets_are_those_of_the_record():
    """In a batch whose first image has another object before each one."""
    objects = np.zeros((2, 2 * len(MASKS), *SIZE), np.uint8)
    objects[0, 1::2], objects[0, ::2], objects[1, : len(MASKS)] = MASKS, 1, MASKS
    owners = RECORD["assigned_gt"].astype(np.int32)
    owners = tf.constant(np.stack([2 * owners + 1, owners]))
    boxes = tf.constant(np.tile(RECORD["proposals"], (2, 1, 1)))
    near = unpacked("targets_near_half", (28, 28)).astype(bool)
    soft = soft_targets(tf.constant(objects), boxes, owners)
    hard = mask_targets(tf.constant(objects), boxes, owners)
    for image in range(2):
        np.testing.assert_allclose(
            soft[image], RECORD["soft_targets"], rtol=1e-5, atol=1e-5
        )
        same = hard[image].numpy() == RECORD["targets"]
        assert np.all(same | near)
        assert near.mean() < 0.01


def test_a_batch_without_objects_or_regions_has_targets_too():
    owners = tf.zeros((2, 3), tf.int32)
    boxes = tf.constant(np.tile(np.float32([3, 3, 9, 9]), (2, 3, 1)))
    found = mask_targets(tf.zeros((2, 0, 20, 30), tf.uint8), boxes, owners)
    assert found.shape == (2, 3, 28, 28)
    assert not found.numpy().any()
    objects = tf.ones((2, 4, 20, 30), tf.uint8)
    assert mask_targets(objects, boxes[:, :0], owners[:, :0]).shape == (2, 0, 28, 28)
    assert mask_targets(objects, boxes, owners).numpy().all()


def recorded_answers():
    logits = tf.constant(RECORD["paste/logits"])
    labels = RECORD["paste/labels"].astype(np.int32)
    return tf.sigmoid(tf.gather(logits, labels, batch_dims=1))


@pytest.mark.parametrize("kind", ["original", "resized"])
def test_pasted_masks_are_those_of_the_record(kind):
    boxes = RECORD["paste/boxes"]
    if kind == "original":
        boxes = boxes / RECORD["paste/scale_factor"]
    size = RECORD[f"paste/{kind}_shape"].tolist()
    found = paste(recorded_answers(), tf.constant(boxes), size).numpy()
    expected = unpacked(f"paste/{kind}_masks", size)
    near = unpacked(f"paste/{kind}_near_half", size).astype(bool)
    assert np.all((found == expected) | near)
    assert near.mean() < 0.01


def test_encoded_masks_are_those_of_the_record():
    boxes = RECORD["paste/boxes"] / RECORD["paste/scale_factor"]
    size = RECORD["paste/original_shape"].tolist()
    found = paste(recorded_answers(), tf.constant(boxes), size).numpy()
    for mask, text in zip(found, RECORD["paste/rle"], strict=True):
        encoded = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert encoded["counts"].decode() == text
    areas = [int(mask.sum()) for mask in found]
    assert areas == RECORD["paste/rle_area"].tolist()


def test_boxes_without_area_and_of_one_pixel():
    boxes = tf.constant([[3.0, 3, 3, 9], [2.5, 4, 2.5, 4], [7, 5, 8, 6]])
    found = paste(tf.ones((3, 28, 28)), boxes, (12, 10)).numpy()
    assert found.shape == (3, 12, 10)
    assert not found[:2].any()
    assert np.argwhere(found[2]).tolist() == [[5, 7]]
    assert paste(tf.ones((0, 28, 28)), boxes[:0], (12, 10)).shape == (0, 12, 10)
