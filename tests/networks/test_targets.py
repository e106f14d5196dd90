"""Targets of all shapes and types that Keras knows mean the same everywhere."""

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
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

CLASSES = 3
LOSSES = {
    "cross_entropy": DenseCrossEntropy(),
    "class_weights": DenseCrossEntropy(class_weights=(0.5, 2.0, 1.0)),
    "hard_pixels": HardPixelCrossEntropy(threshold=0.3, kept=20),
    "lovasz": LovaszSoftmax(),
    "lovasz_of_images": LovaszSoftmax(per_image=True),
    "dice": SoftDice(),
    "sum": WeightedSum([DenseCrossEntropy(), LovaszSoftmax()], [1.0, 1.0]),
}
METRICS = {"mean_iou": lambda: SegmentationScore(CLASSES), "accuracy": PixelAccuracy}


def score(make):
    def scored(y_true, y_pred):
        metric = make()
        metric.update_state(y_true, y_pred)
        return metric.result()

    return scored


JUDGES = LOSSES | {name: score(make) for name, make in METRICS.items()}


@pytest.fixture
def batch(rng):
    labels = rng.choice([0, 1, 2, 255], (2, 8, 12))
    return labels, rng.standard_normal((2, 2, 3, CLASSES)).astype(np.float32)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "float64"])
def test_labels_may_have_a_channel_and_any_type(dtype, judge, batch):
    labels, logits = batch
    expected = float(JUDGES[judge](labels, logits))
    labels = labels.astype(dtype)
    assert float(JUDGES[judge](labels, logits)) == expected
    assert float(JUDGES[judge](labels[..., None], logits)) == expected
    graph = tf.function(
        LOSSES.get(judge, JUDGES["cross_entropy"]),
        input_signature=[tf.TensorSpec(None, dtype), tf.TensorSpec(logits.shape)],
    )
    if judge in LOSSES:
        found = float(graph(labels[..., None], logits))
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("judge", JUDGES)
def test_one_hot_labels_are_refused(judge, batch):
    labels, logits = batch
    one_hot = np.eye(CLASSES)[np.where(labels == 255, 0, labels)]
    with pytest.raises(InputError, match=r"one-hot labels: give labels.argmax\(-1\)"):
        JUDGES[judge](one_hot, logits)
    with pytest.raises(InputError, match=r"must be whole numbers of shape .* got \(2,"):
        JUDGES[judge](labels[:, :, 0], logits)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    ("wrong", "dtype"),
    [(3, "int64"), (254, "uint8"), (-1, "int32"), (0.5, "float32")],
)
def test_labels_that_cannot_be_end_in_a_sentence(wrong, dtype, judge, batch):
    labels, logits = batch
    labels = labels.astype(dtype)
    labels[0, 0, 0] = wrong
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        JUDGES[judge](labels, logits)
    assert "must be whole numbers from 0 to 2, or 255 for" in str(caught.value)


@pytest.mark.parametrize("judge", LOSSES)
def test_xla_answers_labels_that_cannot_be_with_nan(judge, batch):
    labels, logits = batch
    labels[0, 0, 0] = 3
    compiled = tf.function(LOSSES[judge], jit_compile=True)
    assert np.isnan(compiled(tf.constant(labels), tf.constant(logits)))


@pytest.mark.parametrize("kind", ["l1", "l2", "berhu"])
def test_numbers_of_one_channel_may_have_it(kind, rng):
    target = rng.standard_normal((2, 8, 12)).astype(np.float32)
    predicted = rng.standard_normal((2, 2, 3, 1)).astype(np.float32)
    for judge in (DenseRegression(kind), score(RegressionScore)):
        plain = float(judge(target, predicted))
        assert float(judge(target[..., None], predicted)) == plain
        with pytest.raises(InputError, match="have 1 channels and the targets 2"):
            judge(np.stack([target] * 2, axis=-1), predicted)
        with pytest.raises(InputError, match=r"Targets of pixels must be .* got \(2,"):
            judge(target[:, 0], predicted)


@pytest.mark.parametrize("judge", [KeypointLoss(), score(KeypointAccuracy)])
@pytest.mark.parametrize("shape", [(2, 3, 2), (2, 4, 3), (2, 8, 8, 3), (2, 9)])
def test_what_is_no_keypoints_is_refused(judge, shape):
    heatmaps = np.zeros((2, 8, 8, 3), np.float32)
    with pytest.raises(InputError, match=r"must be keypoints of shape \(batch, 3, 3\)"):
        judge(np.zeros(shape, np.float32), heatmaps)


def test_fit_takes_labels_with_and_without_a_channel(eagerly, rng):
    tiny = {"width": 4, "modules": (1, 1, 1), "blocks": 1, "stem": ((8, 2), (8, 2))}
    images = rng.standard_normal((2, 32, 32, 3)).astype(np.float32)
    labels = rng.integers(0, CLASSES, (2, 32, 32))
    model = hrnet_tf.HRNetV2(classes=CLASSES, **tiny)
    found = [
        model.evaluate(images, y, verbose=0, return_dict=True)
        for y in (labels, labels[..., None], labels.astype(np.uint8))
    ]
    assert found[0] == found[1] == found[2]
    assert {"loss", "mean_iou", "pixel_accuracy"} == found[0].keys()
