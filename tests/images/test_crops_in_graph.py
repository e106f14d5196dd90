"""Crops in graphs are those that OpenCV and NumPy make outside of them."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.images.preprocess import (
    crop_matrix,
    crop_of_box,
    invert,
    transform,
    upright_to_image,
    warp,
    warp_upright,
)

# OpenCV 4 rounds positions to 1/32 pixel, version 5 does not.
EXACT_OPENCV = int(cv2.__version__.split(".")[0]) >= 5


@pytest.fixture
def upright(rng):
    """Centres and widths of crops, in and around an image of 120x160 pixels."""
    places, sizes = rng.uniform(-20, 120, (50, 2)), rng.uniform(5, 120, (50, 2))
    return crop_of_box(np.hstack([places, sizes]), 48 / 64)


def as_tensors(*arrays):
    return [tf.constant(array, tf.float32) for array in arrays]


def test_crops_are_those_of_opencv(upright, rng):
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    ours = warp_upright(tf.constant(image), *as_tensors(*upright), (64, 48))
    matrices = crop_matrix(*upright, 0.0, (64, 48))
    right = np.stack([warp(image, matrix, (64, 48)) for matrix in matrices])
    # Two neighbours differ by up to 255: half of 1/32 pixel in x and in y is 8.
    limit = 1 if EXACT_OPENCV else 8
    assert np.abs(ours.numpy().astype(int) - right).max() <= limit


@pytest.mark.parametrize("size", [(64, 48), (16, 12), (15, 12)])
def test_points_come_back_to_the_same_places(size, upright, rng):
    points = rng.uniform(-5, 70, (50, 7, 2))
    ours = upright_to_image(*as_tensors(points, *upright), size)
    right = transform(points, invert(crop_matrix(*upright, 0.0, size)))
    np.testing.assert_allclose(ours, right, rtol=1e-5, atol=1e-3)


def test_a_crop_of_whole_pixels_is_a_part_of_the_image(rng):
    image = rng.integers(0, 256, (20, 20, 3), np.uint8)
    crop = warp_upright(tf.constant(image), *as_tensors([[9, 10]], [6]), (8, 6))
    np.testing.assert_array_equal(crop[0], image[6:14, 6:12])


def test_crops_are_black_outside_the_image():
    image = tf.fill((8, 8, 3), tf.constant(200, tf.uint8))
    crop = warp_upright(image, *as_tensors([[0, 0]], [8]), (8, 8))
    np.testing.assert_array_equal(crop[0, :4, :4], np.zeros((4, 4, 3)))
    np.testing.assert_array_equal(crop[0, 4:, 4:], np.full((4, 4, 3), 200))


def test_boxes_have_the_same_crops(rng):
    boxes = np.hstack([rng.uniform(-20, 120, (50, 2)), rng.uniform(0.1, 99, (50, 2))])
    boxes = np.vstack([boxes, [[5, 6, 0.25, 0.5]]])  # less than a pixel
    for expected, found in zip(
        crop_of_box(boxes, 0.75, 1.3),
        tf.function(crop_of_box)(tf.constant(boxes, tf.float32), 0.75, 1.3),
        strict=True,
    ):
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
