"""Errors of numbers of pixels, worked out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.regression.metrics import (
    SUMS,
    RegressionScore,
    RegressionScores,
    error_sums,
)

NAN = float("nan")
# One image, 2x2 pixels: a depth with one pixel unknown, and a height below 0.
TARGETS = np.array(
    [[[[1.0, -1.0], [2.0, 1.0]], [[3.0, 1.0], [NAN, 3.0]]]],
    np.float32,
)
FOUND = np.array(
    [[[[1.0, 0.0], [2.5, 1.0]], [[4.0, 1.0], [9.0, 2.0]]]],
    np.float32,
)
NAMES = ("depth", "height")

# Errors of the depth: 0, 0.5, 1; targets: 1, 2, 3, about their mean 1 + 1.
DEPTH = {
    "mae": 1.5 / 3,
    "rmse": (1.25 / 3) ** 0.5,
    "r2": 1 - 1.25 / 2,
    "relative_error": (0 + 0.25 + 1 / 3) / 3,
    "delta1": 1 / 3,  # 2.5 is 1.25 times 2: not below
}
# Errors of the height: 1, 0, 0, -1; targets: -1, 1, 1, 3, about their mean 4 + 4.
HEIGHT = {"mae": 2 / 4, "rmse": 0.5**0.5, "r2": 1 - 2 / 8}


def scores_of(targets=TARGETS, found=FOUND, names=NAMES):
    sums = error_sums(tf.constant(targets), tf.constant(found))
    return RegressionScores.from_sums(sums, names)


def test_scores_by_hand():
    scores = scores_of()
    for name, expected in DEPTH.items():
        assert getattr(scores, name)[0] == pytest.approx(expected)
    for name, expected in HEIGHT.items():
        assert getattr(scores, name)[1] == pytest.approx(expected)
    assert np.isnan([scores.relative_error[1], scores.delta1[1]]).all()
    assert scores.sums[0].tolist() == [3, 4]


def test_statistics_are_means_and_leave_out_what_is_not_positive():
    expected = {name: (DEPTH[name] + HEIGHT[name]) / 2 for name in HEIGHT}
    assert scores_of().statistics() == pytest.approx(expected)
    alone = scores_of(TARGETS[..., :1], FOUND[..., :1], ["depth"])
    assert alone.statistics() == pytest.approx(DEPTH)


def test_a_file_gets_the_numbers_that_are_known():
    found = scores_of().by_channel()
    assert found["depth"]["pixels"] == 3
    assert found["depth"]["R2"] == pytest.approx(DEPTH["r2"])
    assert set(found["height"]) == {"pixels", "MAE", "RMSE", "R2"}


def test_delta1_takes_the_larger_of_both_ratios():
    targets = np.array([[10.0], [10.0], [10.0], [10.0]], np.float32)
    found = np.array([[12.4], [8.1], [7.9], [-10.0]], np.float32)
    assert scores_of(targets, found, ["depth"]).delta1 == pytest.approx(2 / 4)


def test_the_table_has_a_line_for_each_channel():
    assert scores_of().table().splitlines() == [
        "channel    pixels       MAE      RMSE        R2  relative    delta1",
        "depth           3    0.5000    0.6455    0.3750    0.1944    0.3333",
        "height          4    0.5000    0.7071    0.7500       nan       nan",
    ]


@pytest.mark.parametrize(
    ("targets", "found", "expected"),
    [
        ([2.3, 2.3, 2.3], [2.3, 2.3, 2.3], 1.0),  # nothing varies, all is met
        ([2.3, 2.3, 2.3], [2.3, 2.3, 2.4], 0.0),
        ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], 0.0),  # the mean
        ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], 1 - 8 / 2),
        ([NAN, NAN, NAN], [2.0, 2.0, 2.0], 0.0),
    ],
)
def test_r2_of_special_cases(targets, found, expected):
    columns = (np.array(column, np.float32)[:, None] for column in (targets, found))
    assert scores_of(*columns, ["depth"]).r2[0] == pytest.approx(expected, abs=1e-9)


def test_sums_of_parts_add_up(rng):
    targets, found = rng.normal(5, 1, (2, 6, 8, 9, 2)).astype(np.float32)
    targets[rng.random(targets.shape) < 0.3] = NAN
    parts = [
        error_sums(tf.constant(t), tf.constant(f))
        for t, f in zip(targets, found, strict=True)
    ]
    whole = error_sums(tf.constant(targets), tf.constant(found))
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-12)


def test_a_large_mean_does_not_swallow_what_varies(rng):
    targets = rng.normal(1e4, 1, (50, 50, 1)).astype(np.float32)
    found = (targets + rng.normal(0, 0.5, targets.shape)).astype(np.float32)
    known = targets.astype(np.float64)
    expected = 1 - ((found - known) ** 2).sum() / ((known - known.mean()) ** 2).sum()
    assert scores_of(targets, found, ["x"]).r2[0] == pytest.approx(expected, rel=1e-4)


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="bring the predictions to the targets' size"):
        scores_of(TARGETS, FOUND[:, :1])
    with pytest.raises(InputError, match=r"with 1 channels they must be \(8, 1\)"):
        RegressionScores.from_sums(np.zeros((8, 2)), ["depth"])


# The metric


def test_the_metric_holds_the_sums_of_all_batches():
    metric = RegressionScore(2)
    assert float(metric.result()) == 0
    for _ in range(2):
        metric.update_state(TARGETS, FOUND)
    np.testing.assert_allclose(np.array(metric.sums), 2 * scores_of().sums)
    assert float(metric.result()) == pytest.approx((DEPTH["r2"] + HEIGHT["r2"]) / 2)
    metric.reset_state()
    assert not np.array(metric.sums).any()


def test_predictions_are_brought_to_the_targets_size(rng):
    small = rng.normal(size=(2, 3, 4, 1)).astype(np.float32)
    for rule in ("bilinear", "bilinear_align_corners"):
        metric = RegressionScore(1, rule)
        large = tf.compat.v1.image.resize_bilinear(
            small,
            (12, 16),
            align_corners=rule != "bilinear",
            half_pixel_centers=rule == "bilinear",
        )
        metric.update_state(large[..., 0], small)  # without a channel
        assert float(metric.result()) == pytest.approx(1, abs=1e-9)


def test_images_may_count_less(rng):
    targets, found = rng.normal(size=(2, 2, 3, 4, 1)).astype(np.float32)
    metric = RegressionScore()
    metric.update_state(targets, found, sample_weight=[1.0, 0.0])
    alone = error_sums(tf.constant(targets[:1]), tf.constant(found[:1]))
    np.testing.assert_allclose(np.array(metric.sums), alone)


def test_another_number_of_channels_is_refused():
    with pytest.raises(InputError, match="have 2 channels, `r2` counts 1"):
        RegressionScore(1).update_state(TARGETS, FOUND)
    with pytest.raises(InputError, match=r"`upsampling` must be .* got 'nearest'"):
        RegressionScore(1, upsampling="nearest")


def test_a_metric_is_rebuilt_from_its_configuration():
    arguments = {"channels": 3, "upsampling": "bilinear_align_corners", "name": "mine"}
    metric = RegressionScore(**arguments)
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert isinstance(again, RegressionScore)
    assert arguments.items() <= again.get_config().items()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_counts_the_same(jit_compile):
    metric = RegressionScore(2)
    signature = [tf.TensorSpec([None, None, None, 2], tf.float32)] * 2

    @tf.function(input_signature=signature, jit_compile=jit_compile)
    def update(targets, found):
        metric.update_state(targets, found)

    update(TARGETS, FOUND)
    found = np.array(metric.sums)
    assert found.shape == (len(SUMS), 2)
    np.testing.assert_allclose(found, scores_of().sums, rtol=1e-6)
