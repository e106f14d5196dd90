import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import DenseCrossEntropy, HeatmapCodec, KeypointLoss
from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.keypoints.losses import heatmap_mse, heatmap_ohkm, joint_errors
from support.official import channels_last, read_arrays

# Three keypoints of one person on a map of 8 x 8 cells; the last is not annotated.
KEYPOINTS = np.array([[[8, 12, 1], [20, 24, 1], [4, 4, 0]]], np.float32)


@pytest.fixture
def recorded():
    arrays = read_arrays("protocol", "pose_mse_loss")
    target, output = channels_last(arrays["target"]), channels_last(arrays["output"])
    return (target, output, arrays["weight"][..., 0]), arrays


@pytest.fixture
def heatmaps(rng):
    return rng.random((1, 8, 8, 3)).astype(np.float32)


def test_the_squared_error_is_that_of_the_original(recorded):
    inputs, arrays = recorded
    loss = tf.reduce_mean(heatmap_mse(*inputs))
    assert float(loss) == pytest.approx(float(arrays["loss"]), rel=1e-5)


def test_hard_keypoint_mining_is_that_of_the_original(recorded):
    inputs, arrays = recorded
    loss = tf.reduce_mean(heatmap_ohkm(*inputs, hardest=8))
    assert float(loss) == pytest.approx(float(arrays["ohkm_loss"]), rel=1e-5)


def test_errors_by_hand():
    target = np.zeros((1, 2, 2, 2), np.float32)
    predicted = np.array([[[[1, 2], [1, 2]], [[1, 2], [3, 2]]]], np.float32)
    errors = joint_errors(target, predicted, np.array([[1, 0.5]], np.float32))
    np.testing.assert_allclose(errors, [[0.5 * 12 / 4, 0.5 * 4 * 0.25]])


def test_mining_all_keypoints_is_the_mean(recorded):
    inputs, _ = recorded
    np.testing.assert_allclose(
        heatmap_ohkm(*inputs, hardest=17), heatmap_mse(*inputs), rtol=1e-5
    )


def test_the_hardest_keypoint_is_the_largest_error(recorded):
    inputs, _ = recorded
    expected = joint_errors(*inputs).numpy().max(axis=-1)
    np.testing.assert_allclose(heatmap_ohkm(*inputs, hardest=1), expected, rtol=1e-5)


def test_more_hard_keypoints_than_there_are_is_refused(recorded):
    inputs, _ = recorded
    with pytest.raises(ValueError, match=r"at most .* 17, got 18"):
        heatmap_ohkm(*inputs, hardest=18)


def test_heatmaps_that_are_the_targets_cost_nothing():
    targets, _ = HeatmapCodec(4, 2.0).encode(tf.constant(KEYPOINTS), (8, 8))
    assert float(KeypointLoss()(KEYPOINTS, targets)) == pytest.approx(0, abs=1e-12)


def test_empty_heatmaps_cost_the_square_of_the_targets():
    targets, _ = HeatmapCodec(4, 2.0).encode(tf.constant(KEYPOINTS), (8, 8))
    expected = 0.5 * (targets.numpy() ** 2).sum() / 64 / 3
    loss = KeypointLoss()(KEYPOINTS, np.zeros((1, 8, 8, 3), np.float32))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_keypoints_without_annotation_cost_nothing(heatmaps):
    changed = heatmaps.copy()
    changed[..., 2] += 100
    loss = KeypointLoss()
    assert float(loss(KEYPOINTS, heatmaps)) == float(loss(KEYPOINTS, changed))


def test_the_batch_is_averaged(heatmaps):
    single = KeypointLoss()(KEYPOINTS, heatmaps)
    both = KeypointLoss()(
        np.concatenate([KEYPOINTS, 0 * KEYPOINTS]), np.concatenate([heatmaps] * 2)
    )
    assert float(both) == pytest.approx(float(single) / 2, rel=1e-6)


def test_hardest_keypoints_reach_the_loss(heatmaps):
    targets, weights = HeatmapCodec(4, 2.0).encode(tf.constant(KEYPOINTS), (8, 8))
    expected = heatmap_ohkm(targets, heatmaps, weights, 2)
    loss = KeypointLoss(hardest=2)(KEYPOINTS, heatmaps)
    assert float(loss) == pytest.approx(float(expected[0]), rel=1e-6)


@pytest.mark.parametrize("other", [keras.losses.MeanSquaredError(), "mse"])
def test_another_loss_compares_weighted_heatmaps(other, heatmaps):
    targets, _ = HeatmapCodec(4, 2.0).encode(tf.constant(KEYPOINTS), (8, 8))
    annotated = targets.numpy()[..., :2] - heatmaps[..., :2]
    expected = (annotated**2).sum() / (64 * 3)
    loss = KeypointLoss(loss=other)(KEYPOINTS, heatmaps)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_half_precision_heatmaps_are_compared_in_float32(heatmaps):
    half = heatmaps.astype(np.float16)
    expected = KeypointLoss()(KEYPOINTS, half.astype(np.float32))
    assert float(KeypointLoss()(KEYPOINTS, half)) == float(expected)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_loss_is_the_same_in_a_graph(jit_compile, heatmaps):
    loss = KeypointLoss(hardest=2)
    compiled = tf.function(loss, jit_compile=jit_compile)
    expected = float(loss(KEYPOINTS, heatmaps))
    assert float(compiled(KEYPOINTS, heatmaps)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (KeypointLoss, {"stride": 8, "sigma": 3.0, "hardest": 5, "name": "mine"}),
        (DenseCrossEntropy, {"upsampling": "bilinear_align_corners", "ignored": 0}),
        (DenseCrossEntropy, {"class_weights": (0.5, 2.0)}),
    ],
)
def test_a_loss_is_rebuilt_from_its_configuration(make, arguments):
    again = keras.losses.deserialize(keras.losses.serialize(make(**arguments)))
    assert isinstance(again, make)
    assert arguments.items() <= again.get_config().items()


def test_a_rebuilt_loss_wraps_the_same_loss(heatmaps):
    loss = KeypointLoss(loss=keras.losses.MeanAbsoluteError())
    again = KeypointLoss.from_config(loss.get_config())
    assert float(again(KEYPOINTS, heatmaps)) == float(loss(KEYPOINTS, heatmaps))


def test_cross_entropy_by_hand():
    labels = np.array([[[0, 1]]])
    logits = np.array([[[[0, 0], [np.log(3), 0]]]], np.float32)
    # Probabilities of the labels: 1/2, and 1 of 1 + 3.
    expected = (np.log(2) + np.log(4)) / 2
    assert float(DenseCrossEntropy()(labels, logits)) == pytest.approx(expected)


def test_the_ignored_label_does_not_count():
    labels = np.array([[[0, 255]]])
    logits = np.array([[[[0, 0], [50, 0]]]], np.float32)
    assert float(DenseCrossEntropy()(labels, logits)) == pytest.approx(np.log(2))


def test_another_label_can_be_ignored():
    labels = np.array([[[0, -1]]])
    logits = np.array([[[[0, 0], [50, 0]]]], np.float32)
    loss = DenseCrossEntropy(ignored=-1)(labels, logits)
    assert float(loss) == pytest.approx(np.log(2))


def test_only_ignored_labels_cost_nothing_and_move_nothing():
    labels, logits = np.full((2, 4, 4), 255), tf.random.normal((2, 2, 2, 3), seed=0)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = DenseCrossEntropy()(labels, logits)
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros((2, 2, 2, 3)))


def test_every_pixel_of_a_batch_counts_the_same():
    # One pixel counts in the first image and two in the second.
    labels = np.array([[[0, 255]], [[0, 0]]])
    logits = np.array([[[[0, 0]] * 2], [[[0, np.log(3)]] * 2]], np.float32)
    expected = (np.log(2) + 2 * np.log(4)) / 3
    assert float(DenseCrossEntropy()(labels, logits)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("upsampling", "middle"), [("bilinear", 0.75), ("bilinear_align_corners", 2 / 3)]
)
def test_logits_are_brought_to_the_size_of_the_labels(upsampling, middle):
    # Two cells, 0 and 1, at four pixels: 0, 1/4, 3/4, 1, or 0, 1/3, 2/3, 1.
    labels = np.array([[[255, 255, 1, 255]]])
    logits = np.array([[[[0, 0], [0, 1]]]], np.float32)
    loss = DenseCrossEntropy(upsampling)(labels, logits)
    assert float(loss) == pytest.approx(np.log(1 + np.exp(-middle)), rel=1e-5)


@pytest.mark.parametrize("upsampling", ["nearest", "cubic"])
def test_other_ways_to_resize_are_refused(upsampling):
    with pytest.raises(ValueError, match=f"`upsampling` must be .* got '{upsampling}'"):
        DenseCrossEntropy(upsampling)


def test_classes_weigh_what_they_are_given():
    labels = np.array([[[0, 1, 255]]])
    logits = np.array([[[[0, 0], [np.log(3), 0], [50, 0]]]], np.float32)
    expected = (0.5 * np.log(2) + 1.5 * np.log(4)) / (0.5 + 1.5)
    loss = DenseCrossEntropy(class_weights=(0.5, 1.5))(labels, logits)
    assert float(loss) == pytest.approx(expected)


def test_another_number_of_class_weights_is_refused():
    labels, logits = np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 3), np.float32)
    with pytest.raises(InputError, match="each of the 3 classes, got 2"):
        DenseCrossEntropy(class_weights=(1.0, 2.0))(labels, logits)


@pytest.mark.parametrize(
    ("upsampling", "name"),
    [("bilinear", "half_pixel"), ("bilinear_align_corners", "align_corners")],
)
def test_cross_entropy_of_pixels_is_that_of_the_original(upsampling, name):
    arrays = read_arrays("protocol", "segmentation_losses")
    logits, auxiliary = (channels_last(arrays[key]) for key in ("logits", "aux_logits"))
    loss = DenseCrossEntropy(
        upsampling,
        ignored=int(arrays["ignore_label"]),
        class_weights=arrays["class_weights"],
    )
    alone = float(loss(arrays["labels"], logits))
    both = alone + 0.4 * float(loss(arrays["labels"], auxiliary))
    assert alone == pytest.approx(float(arrays[f"ce_{name}"]), rel=1e-5)
    assert both == pytest.approx(float(arrays[f"ocr_ce_0.4_1_{name}"]), rel=1e-5)
