import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.segmentation.metrics import (
    Scores,
    SegmentationScore,
    confusion_matrix,
)
from support.official import channels_last, read_arrays

NAMES = ("road", "car", "boat")
# Five pixels of road, one taken for a car; three of cars, one for a road; no boat.
MATRIX = np.array([[4, 1, 0], [1, 2, 0], [0, 0, 0]])


@pytest.fixture
def recorded():
    arrays = read_arrays("protocol", "segmentation_miou")
    return arrays["labels"], channels_last(arrays["logits_full"]), arrays


@pytest.fixture
def batch(rng):
    """Labels of three classes, some ignored, and logits of a quarter of the size."""
    labels = rng.choice([0, 1, 2, 255], (4, 8, 12))
    return labels, rng.standard_normal((4, 2, 3, 3)).astype(np.float32)


@pytest.fixture
def scores():
    return Scores.from_matrix(MATRIX, NAMES)


def counted(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return np.array(metric.confusion_matrix)


def test_scores_are_those_of_the_original(recorded):
    labels, logits, arrays = recorded
    matrix = confusion_matrix(
        labels, logits.argmax(-1), 19, int(arrays["ignore_label"])
    )
    np.testing.assert_array_equal(matrix, arrays["confusion_matrix"])
    scores = Scores.from_matrix(matrix, [str(number) for number in range(19)])
    np.testing.assert_allclose(scores.iou, arrays["iou"], rtol=1e-5)
    for name, value in scores.statistics().items():
        assert value == pytest.approx(float(arrays[name]), rel=1e-5)


def test_the_streaming_score_is_that_of_the_original(recorded):
    labels, logits, arrays = recorded
    metric = SegmentationScore(19, int(arrays["ignore_label"]))
    matrix = counted(metric, *((labels[i : i + 1], logits[i : i + 1]) for i in (0, 1)))
    np.testing.assert_array_equal(matrix, arrays["confusion_matrix"])
    assert float(metric.result()) == pytest.approx(float(arrays["mean_iou"]), rel=1e-5)


def test_a_confusion_matrix_by_hand():
    labels = np.array([[0, 0, 1], [255, 2, 1]], np.uint8)
    predicted = np.array([[0, 1, 1], [0, 0, 1]])
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 3), expected)


def test_many_classes_are_told_apart():
    labels, predicted = np.array([299, 0], np.uint16), np.array([298, 299], np.uint16)
    matrix = confusion_matrix(labels, predicted, 300)
    assert matrix[299, 298] == matrix[0, 299] == 1
    assert matrix.sum() == 2


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([0, 3], [0, 0], "labels hold class 3; they must be from 0 to 2, or 255"),
        ([0, -1], [0, 0], "labels hold class -1"),
        ([0, 1], [0, 5], "predictions hold class 5"),
        ([0, 1], [0], r"labels are \(2,\) and the predictions \(1,\)"),
    ],
)
def test_pixels_of_no_class_are_refused(labels, predicted, message):
    with pytest.raises(InputError, match=message):
        confusion_matrix(np.array(labels), np.array(predicted), 3)


def test_predictions_of_ignored_pixels_may_be_anything():
    matrix = confusion_matrix(np.array([0, 7]), np.array([0, 99]), 3, ignored=7)
    assert matrix.sum() == matrix[0, 0] == 1


def test_scores_by_hand(scores):
    np.testing.assert_allclose(scores.iou, [4 / 6, 2 / 4, 0])
    np.testing.assert_allclose(scores.accuracy, [4 / 5, 2 / 3, 0])
    assert scores.statistics() == {
        "mean_iou": pytest.approx((4 / 6 + 2 / 4) / 3),
        "pixel_accuracy": pytest.approx(6 / 8),
        "mean_accuracy": pytest.approx((4 / 5 + 2 / 3) / 3),
    }


def test_no_pixel_at_all_scores_nothing():
    scores = Scores.from_matrix(np.zeros((3, 3), int), NAMES)
    assert set(scores.statistics().values()) == {0.0}
    assert scores.rows() == [(name, 0.0, 0.0, 0.0) for name in NAMES]


def test_the_table_has_a_line_for_each_class(scores):
    assert scores.table().splitlines() == [
        "class    pixels       IoU  accuracy",
        "road     0.6250    0.6667    0.8000",
        "car      0.3750    0.5000    0.6667",
        "boat     0.0000    0.0000    0.0000",
    ]


def test_another_number_of_names_is_refused():
    with pytest.raises(InputError, match=r"is \(3, 3\); with 2 names .* \(2, 2\)"):
        Scores.from_matrix(MATRIX, NAMES[:2])


@pytest.mark.parametrize(
    ("upsampling", "found"),
    [("bilinear", [0, 0, 1, 1]), ("bilinear_align_corners", [0, 0, 0, 1])],
)
def test_logits_are_brought_to_the_size_of_the_labels(upsampling, found):
    # Class 1 against 0 at two cells: -3 and 2; at four pixels -3, -1.75, 0.75, 2, or
    # -3, -4/3, 1/3, 2. A threshold of 0.5 is put into class 0.
    logits = np.array([[[[0.5, -3.0], [0.5, 2.0]]]], np.float32)
    metric = SegmentationScore(2, upsampling=upsampling)
    matrix = counted(metric, (np.array([[[1, 1, 1, 1]]]), logits))
    expected = [[0, 0], [found.count(0), found.count(1)]]
    np.testing.assert_array_equal(matrix, expected)


def test_batches_add_up(batch):
    labels, logits = batch
    halves = [(labels[:2], logits[:2]), (labels[2:], logits[2:])]
    np.testing.assert_array_equal(
        counted(SegmentationScore(3), batch), counted(SegmentationScore(3), *halves)
    )


def test_the_streaming_score_is_that_of_its_matrix(batch):
    metric = SegmentationScore(3)
    scores = Scores.from_matrix(counted(metric, batch), NAMES)
    assert float(metric.result()) == pytest.approx(scores.mean_iou)
    assert scores.confusion_matrix.sum() == (batch[0] != 255).sum()


def test_another_label_can_be_ignored(batch):
    labels, logits = batch
    matrix = counted(
        SegmentationScore(3, ignored=1), (np.where(labels == 255, 1, labels), logits)
    )
    assert matrix[1].sum() == 0
    assert matrix.sum() == np.isin(labels, (0, 2)).sum()


def test_images_weigh_what_they_are_given(batch):
    labels, logits = batch
    weights = np.array([1.0, 0.0, 0.0, 2.0])
    parts = [counted(SegmentationScore(3), (labels[[i]], logits[[i]])) for i in (0, 3)]
    np.testing.assert_array_equal(
        counted(SegmentationScore(3), (labels, logits, weights)),
        parts[0] + 2 * parts[1],
    )


def test_no_pixel_is_lost_beyond_the_digits_of_float32(batch):
    metric = SegmentationScore(3)
    metric.confusion_matrix.assign(np.full((3, 3), 2.0**40))
    added = counted(SegmentationScore(3), batch)
    np.testing.assert_array_equal(counted(metric, batch) - 2.0**40, added)


def test_a_reset_forgets_everything(batch):
    metric = SegmentationScore(3)
    counted(metric, batch)
    metric.reset_state()
    assert not np.array(metric.confusion_matrix).any()
    assert float(metric.result()) == 0


def test_labels_of_no_class_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="from 0 to 2, or 255"):
        SegmentationScore(3).update_state(np.full((1, 2, 2), 3), np.ones((1, 2, 2, 3)))


def test_another_number_of_classes_is_refused():
    with pytest.raises(InputError, match="have 4 classes, `mean_iou` counts 3"):
        SegmentationScore(3).update_state(np.zeros((1, 2, 2)), np.ones((1, 2, 2, 4)))


@pytest.mark.parametrize("upsampling", ["nearest", "cubic"])
def test_other_ways_to_resize_are_refused(upsampling):
    with pytest.raises(InputError, match=f"`upsampling` must be .* got '{upsampling}'"):
        SegmentationScore(3, upsampling=upsampling)


def test_a_metric_is_rebuilt_from_its_configuration():
    arguments = {"classes": 4, "ignored": 0, "upsampling": "bilinear_align_corners"}
    metric = SegmentationScore(**arguments, name="mine")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert isinstance(again, SegmentationScore)
    assert {**arguments, "name": "mine"}.items() <= again.get_config().items()


def passing_model(metric, shape):
    """A model that returns its input, judged by a metric."""
    image = keras.Input(shape)
    model = keras.Model(image, keras.layers.Activation("linear")(image))
    model.compile(loss="sparse_categorical_crossentropy", weighted_metrics=[metric])
    return model


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_counts_the_same(jit_compile, batch):
    expected = counted(SegmentationScore(3), batch)
    metric = SegmentationScore(3)
    signature = [
        tf.TensorSpec([None] * 3, tf.int64),
        tf.TensorSpec([*[None] * 3, 3], tf.float32),
    ]

    @tf.function(input_signature=signature, jit_compile=jit_compile)
    def update(labels, logits):
        metric.update_state(labels, logits)

    update(*batch)
    np.testing.assert_array_equal(np.array(metric.confusion_matrix), expected)


def test_a_saved_model_keeps_its_metric(batch, tmp_path):
    labels, logits = batch
    logits = logits.repeat(4, axis=1).repeat(4, axis=2)
    model = passing_model(SegmentationScore(3), logits.shape[1:])
    labels[labels == 255] = 0  # for Keras's loss
    expected = model.evaluate(logits, labels, verbose=0, return_dict=True)["mean_iou"]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    found = again.evaluate(logits, labels, verbose=0, return_dict=True)["mean_iou"]
    assert found == pytest.approx(expected)
    matrix = confusion_matrix(labels, logits.argmax(-1), 3)
    assert found == pytest.approx(Scores.from_matrix(matrix, NAMES).mean_iou)
