"""Detectors as graphs of constants, for TensorFlow and for other runtimes."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks.detection.comparison import differences
from hrnet_tf.tasks.detection.padding import sizes_without_padding
from support.detectors import padded_images, tiny_detector

KINDS = {
    "faster": {},
    "cascade mask": {"cascade": True, "masks": True},
}
SLOW = pytest.mark.slow


@pytest.fixture(
    scope="module", params=["faster", pytest.param("cascade mask", marks=SLOW)]
)
def asked(request):
    """A detector, images, and what it answers about them."""
    model = tiny_detector(**KINDS[request.param])
    images, sizes = padded_images(np.random.default_rng(1), 2)
    found = model({"image": images, "sizes": sizes}, training=False)
    return model, images, {name: value.numpy() for name, value in found.items()}


def assert_same(found, expected):
    told = differences(expected, {name: np.asarray(x) for name, x in found.items()})
    assert max(told.values()) < 1e-3, told


def test_it_finds_something(asked):
    _, _, found = asked
    assert (found["counts"] >= 5).all()
    assert len(np.unique(found["labels"])) > 2


@pytest.mark.parametrize("runtime", ["tensorflow", "tflite"])
def test_graphs_answer_as_the_model_does_about_images_alone(asked, runtime):
    model, images, expected = asked
    spec = tf.TensorSpec((None, None, None, 3), tf.float32, "image")

    graph = constant_graph(fold(model, runtime=runtime), spec)

    assert not graph.variables
    assert_same(graph(tf.constant(images)), expected)


def test_sizes_may_be_given_to_a_graph(asked):
    model, images, expected = asked
    _, sizes = padded_images(np.random.default_rng(1), 2)

    found = fold(model)({"image": tf.constant(images), "sizes": tf.constant(sizes)})

    assert_same(found, expected)


# Padding


def test_zeros_at_the_right_and_below_are_padding():
    images, sizes = padded_images(np.random.default_rng(0), 3)
    images[0, 5], images[1, :, 7] = 0, 0  # not at the border

    np.testing.assert_array_equal(sizes_without_padding(images), sizes)
    assert not np.any(sizes_without_padding(np.zeros((1, 8, 9, 3), np.float32)))
