"""Resizing inside graphs against OpenCV."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.images.preprocess import resized
from hrnet_tf.images.resizing_in_graph import resized_as_opencv

GRAPH = tf.function(
    resized_as_opencv,
    input_signature=[
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((2,), tf.int32),
    ],
)
SIZES = [
    ((427, 640), (800, 1199)),
    ((640, 427), (1199, 800)),
    ((1080, 1920), (750, 1333)),
    ((400, 600), (200, 300)),
    ((60, 90), (60, 90)),
    ((5, 300), (22, 1333)),
    ((1, 1), (32, 32)),
    ((33, 1), (7, 1)),
]


@pytest.mark.parametrize(("given", "wanted"), SIZES)
def test_every_pixel_is_the_one_that_opencv_computes(given, wanted):
    image = np.random.default_rng(0).integers(0, 256, (*given, 3), np.uint8)

    found = GRAPH(image, np.array(wanted, np.int32)).numpy()

    np.testing.assert_array_equal(found, resized(image, wanted))


def test_sizes_by_chance_are_exact_too():
    rng = np.random.default_rng(1)
    for height, width, *wanted in rng.integers(1, 120, (60, 4)).tolist():
        image = rng.integers(0, 256, (height, width, 3), np.uint8)

        found = GRAPH(image, np.array(wanted, np.int32)).numpy()

        np.testing.assert_array_equal(found, resized(image, tuple(wanted)))
