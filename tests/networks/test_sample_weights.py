"""Every loss gives a value a sample, and weights take gradients away."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.weighted_losses import WeightedSum
from hrnet_tf.tasks.keypoints.losses import KeypointLoss
from hrnet_tf.tasks.keypoints.metrics import KeypointAccuracy
from hrnet_tf.tasks.regression.losses import DenseRegression
from hrnet_tf.tasks.regression.metrics import RegressionScore
from hrnet_tf.tasks.segmentation.dice import SoftDice
from hrnet_tf.tasks.segmentation.losses import (
    DenseCrossEntropy,
    HardPixelCrossEntropy,
    LovaszSoftmax,
)
from hrnet_tf.tasks.segmentation.metrics import PixelAccuracy, SegmentationScore
from support.gradients import gradient

SAMPLES, SIDE = 3, 6
DENSE = {
    "cross entropy": DenseCrossEntropy(),
    "class weights": DenseCrossEntropy(class_weights=(0.5, 2.0, 1.0)),
    "hard pixels": HardPixelCrossEntropy(threshold=0.5, kept=20),
    "lovasz": LovaszSoftmax(),
    "lovasz of images": LovaszSoftmax(per_image=True),
    "dice": SoftDice(),
    "sum": WeightedSum([DenseCrossEntropy(), SoftDice()], [1.0, 0.5]),
    "l1": DenseRegression("l1"),
    "l2": DenseRegression("l2"),
    "berhu": DenseRegression("berhu"),
}
POSE = {
    "keypoints": KeypointLoss(1),
    "hardest": KeypointLoss(1, hardest=2),
    "another": KeypointLoss(1, loss=keras.losses.MeanSquaredError()),
    "another by name": KeypointLoss(1, loss="mse"),
    "another's sum": KeypointLoss(
        1, loss=keras.losses.MeanAbsoluteError(reduction="sum")
    ),
}
LOSSES = DENSE | POSE
# What weights multiply is not the whole of what the loss is made of.
QUOTIENTS = ("dice", "sum")


class Whole(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.square(y_true - y_pred))


def example(name):
    rng = np.random.default_rng(0)
    y_pred = rng.standard_normal((SAMPLES, SIDE, SIDE, 3)).astype(np.float32)
    if name in POSE:
        keypoints = rng.uniform(0, SIDE, (SAMPLES, 3, 3)).astype(np.float32)
        keypoints[..., 2] = 1.0
        return keypoints, y_pred
    if name in ("l1", "l2", "berhu"):
        return rng.standard_normal(y_pred.shape).astype(np.float32), y_pred
    labels = rng.integers(0, 3, (SAMPLES, SIDE, SIDE))
    labels[0, 0, :3] = 255
    return labels, y_pred


def weighted(loss, weights):
    weights = np.asarray(weights, np.float32)
    return lambda y_true, y_pred: loss(y_true, y_pred, sample_weight=weights)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_gives_one_value_a_sample(name):
    y_true, y_pred = example(name)
    values = LOSSES[name].call(tf.constant(y_true), tf.constant(y_pred))
    assert values.shape == (SAMPLES,)
    assert float(tf.reduce_mean(values)) == pytest.approx(
        float(LOSSES[name](y_true, y_pred)), rel=1e-6
    )


@pytest.mark.parametrize("shape", [(SAMPLES,), (SAMPLES, 1)])
@pytest.mark.parametrize("name", LOSSES)
def test_a_sample_of_weight_0_loses_its_gradient(name, shape):
    y_true, y_pred = example(name)
    weights = np.array([1.0, 0.0, 2.0]).reshape(shape)
    _, change = gradient(weighted(LOSSES[name], weights), y_true, y_pred)
    moved = np.abs(change).reshape(SAMPLES, -1).max(axis=1)
    np.testing.assert_array_equal(moved > 0, [True, False, True])


@pytest.mark.parametrize("shape", [(SAMPLES, SIDE, SIDE), (SAMPLES, SIDE, SIDE, 1)])
@pytest.mark.parametrize("name", DENSE)
def test_a_pixel_of_weight_0_loses_its_gradient(name, shape):
    y_true, y_pred = example(name)
    weights = np.ones(shape, np.float32)
    weights[0, 2:] = weights[2] = 0
    _, change = gradient(weighted(DENSE[name], weights), y_true, y_pred)
    moved = np.abs(change).max(axis=-1)
    assert not moved[weights.reshape(moved.shape) == 0].any()
    assert moved[0, :2].any()
    assert moved[1].any()


@pytest.mark.parametrize("name", ["keypoints", "hardest"])
def test_a_keypoint_of_weight_0_loses_its_gradient(name):
    y_true, y_pred = example(name)
    weights = np.ones((SAMPLES, 3), np.float32)
    weights[:, 1] = weights[2] = 0
    _, change = gradient(weighted(LOSSES[name], weights), y_true, y_pred)
    moved = np.abs(change).max(axis=(1, 2)) > 0
    assert not moved[weights == 0].any()
    assert moved.any(axis=1).tolist() == [True, True, False]


@pytest.mark.parametrize("name", LOSSES)
def test_weights_of_1_change_nothing_and_of_2_double(name):
    y_true, y_pred = example(name)
    value, change = gradient(LOSSES[name], y_true, y_pred)
    for weight in (1, 2) if name not in QUOTIENTS else (1,):
        weights = np.full(SAMPLES, weight)
        found, moved = gradient(weighted(LOSSES[name], weights), y_true, y_pred)
        assert float(found) == pytest.approx(weight * float(value), rel=1e-5)
        np.testing.assert_allclose(moved, weight * change, atol=1e-6)


def test_weights_multiply_what_each_image_adds():
    y_true, y_pred = example("cross entropy")
    losses, _, counts = DenseCrossEntropy().pixels(y_true, y_pred)
    sums = (losses * tf.cast(counts, tf.float32)).numpy().sum(axis=(1, 2))
    value = DenseCrossEntropy()(y_true, y_pred, [3.0, 0.0, 1.0])
    expected = (3 * sums[0] + sums[2]) / counts.numpy().sum()
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["cross entropy", "dice", "l1"])
@pytest.mark.parametrize("shape", [(SAMPLES, 2), (SAMPLES, SIDE, SIDE, 3), ()])
def test_weights_of_another_shape_are_refused(name, shape):
    y_true, y_pred = example(name)
    with pytest.raises(InputError, match="`sample_weight` must be"):
        LOSSES[name](y_true, y_pred, np.ones(shape, np.float32))


def test_weights_of_keypoints_of_another_shape_are_refused():
    y_true, y_pred = example("keypoints")
    with pytest.raises(InputError, match=r"people, or \(batch, 3\) for keypoints"):
        KeypointLoss(1)(y_true, y_pred, np.ones((SAMPLES, 2), np.float32))
    with pytest.raises(InputError, match="cannot be obeyed with another loss"):
        LOSSES["another"](y_true, y_pred, np.ones((SAMPLES, 3), np.float32))


def test_a_loss_of_whole_batches_refuses_weights():
    y_pred = np.ones((SAMPLES, SIDE, SIDE, 3), np.float32)
    loss = WeightedSum([Whole()], [2.0])
    assert float(loss(0 * y_pred, y_pred)) == 2.0
    with pytest.raises(InputError, match="hole gives one number for a whole batch"):
        loss(0 * y_pred, y_pred, [1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("cross entropy", lambda: SegmentationScore(3)),
        ("cross entropy", PixelAccuracy),
        ("l1", lambda: RegressionScore(3)),
        ("keypoints", lambda: KeypointAccuracy(1, threshold=4.0)),
    ],
)
def test_metrics_weigh_samples(name, make):
    y_true, y_pred = example(name)
    weights, twice = np.array([1.0, 0.0, 2.0], np.float32), [0, 2, 2]
    metric, expected = make(), make()
    metric.update_state(y_true, y_pred, weights)
    expected.update_state(y_true[twice], y_pred[twice])
    assert float(expected.result()) > 0 or name == "l1"
    assert float(metric.result()) == pytest.approx(float(expected.result()), rel=1e-5)


@pytest.mark.parametrize("make", [lambda: SegmentationScore(3), PixelAccuracy])
def test_metrics_of_labels_weigh_pixels(make):
    y_true, y_pred = example("cross entropy")
    weights = np.random.default_rng(1).integers(0, 2, y_true.shape)
    metric, expected = make(), make()
    metric.update_state(y_true, y_pred, weights.astype(np.float32))
    expected.update_state(np.where(weights, y_true, 255), y_pred)
    assert float(metric.result()) == pytest.approx(float(expected.result()), rel=1e-6)
