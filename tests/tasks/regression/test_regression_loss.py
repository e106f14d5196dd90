"""Losses of numbers at every pixel."""

import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.regression.losses import DenseRegression
from support.gradients import gradient

NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("l1", (1 + 0.5 + 5) / 3),
        ("l2", (1 + 0.25 + 25) / 3),
        # c is 1: the first two errors are not above it.
        ("berhu", (1 + 0.5 + (25 + 1) / 2) / 3),
    ],
)
def test_regression_by_hand(kind, expected):
    target = np.array([[[[1.0], [NAN], [2.0], [3.0]]]], np.float32)
    predicted = np.array([[[[2.0], [9.0], [1.5], [-2.0]]]], np.float32)
    loss = DenseRegression(kind)(target, predicted)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["l1", "l2", "berhu"])
def test_numbers_that_are_not_annotated_move_nothing(kind):
    target = np.array([[[[1.0, NAN], [NAN, 4.0]]]], np.float32)
    predicted = np.array([[[[3.0, 5.0], [6.0, 4.0]]]], np.float32)
    _, change = gradient(DenseRegression(kind), target, predicted)
    # Two numbers count; berHu's c is 0.4, and its slope there is 2 / 0.4.
    first = {"l1": 1, "l2": 4, "berhu": 5}[kind] / 2
    np.testing.assert_allclose(change, [[[[first, 0], [0, 0]]]], rtol=1e-5)


@pytest.mark.parametrize("kind", ["l1", "l2", "berhu"])
@pytest.mark.parametrize("fill", [NAN, 2.0])
def test_nothing_to_learn_costs_nothing(kind, fill):
    predicted = np.full((1, 2, 2, 1), 2.0, np.float32)
    target = np.full((1, 4, 4, 1), fill, np.float32)
    value, change = gradient(DenseRegression(kind), target, predicted)
    assert float(value) == 0
    np.testing.assert_array_equal(change, np.zeros_like(predicted))


@pytest.mark.parametrize(
    ("upsampling", "middle"), [("bilinear", 0.75), ("bilinear_align_corners", 2 / 3)]
)
def test_numbers_are_brought_to_the_size_of_the_targets(upsampling, middle):
    # Two cells, 0 and 1, at four pixels: 0, 1/4, 3/4, 1, or 0, 1/3, 2/3, 1.
    target = np.array([[[NAN, NAN, 0.0, NAN]]], np.float32)
    loss = DenseRegression("l1", upsampling)(target, np.array([[[[0.0], [1.0]]]]))
    assert float(loss) == pytest.approx(middle, rel=1e-5)


def test_targets_of_one_channel_may_leave_it_out(rng):
    target, predicted = rng.standard_normal((2, 2, 4, 6, 1)).astype(np.float32)
    loss = DenseRegression("l2")
    assert float(loss(target[..., 0], predicted)) == float(loss(target, predicted))


def test_another_number_of_channels_is_refused():
    with pytest.raises(InputError, match="have 2 channels and the targets 3"):
        DenseRegression()(np.zeros((1, 4, 4, 3)), np.zeros((1, 4, 4, 2)))


def test_an_unknown_kind_of_regression_is_refused():
    with pytest.raises(InputError, match=r"`kind` must be one of .* got 'huber'"):
        DenseRegression("huber")
