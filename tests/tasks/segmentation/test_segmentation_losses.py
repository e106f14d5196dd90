import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.weighted_losses import WeightedSum
from hrnet_tf.tasks.regression.losses import DenseRegression
from hrnet_tf.tasks.segmentation.dice import SoftDice
from hrnet_tf.tasks.segmentation.losses import (
    DenseCrossEntropy,
    HardPixelCrossEntropy,
    LovaszSoftmax,
)
from support.gradients import gradient
from support.official import channels_last, read_arrays

RULES = {"half_pixel": "bilinear", "align_corners": "bilinear_align_corners"}
HARD = [(0.7, 100), (0.9, 2000), (0.5, 100000)]
NAN = float("nan")

LOSSES = [
    (DenseCrossEntropy, {"ignored": 0, "class_weights": (0.5, 2.0, 1.0)}),
    (
        HardPixelCrossEntropy,
        {
            "upsampling": "bilinear_align_corners",
            "ignored": 7,
            "class_weights": (0.5, 2.0, 1.0),
            "threshold": 0.6,
            "kept": 3,
            "name": "mine",
        },
    ),
    (LovaszSoftmax, {"ignored": 7, "per_image": True}),
    (SoftDice, {"ignored": 7}),
    (DenseRegression, {"kind": "berhu", "upsampling": "bilinear_align_corners"}),
]


@pytest.fixture
def recorded():
    arrays = read_arrays("protocol", "segmentation_losses")
    logits, auxiliary = (channels_last(arrays[key]) for key in ("logits", "aux_logits"))
    return arrays, logits, auxiliary


@pytest.fixture
def batch(rng):
    """Labels of three classes, some ignored, and logits of a quarter of the size."""
    labels = rng.choice([0, 1, 2, 255], (2, 8, 12))
    return labels, rng.standard_normal((2, 2, 3, 3)).astype(np.float32)


def two_classes(*probabilities):
    """Logits `(1, 1, n, 2)` that give class 0 these probabilities."""
    p = np.array(probabilities)
    return np.stack([np.log(p / (1 - p)), 0 * p], -1)[None, None].astype(np.float32)


def hard_mean(losses, probabilities, counts, threshold, kept):
    """The definition, in NumPy."""
    p, losses = probabilities[counts], losses[counts]
    limit = max(np.sort(p)[min(kept, p.size - 1)], threshold)
    return losses[p < limit].mean()


def lovasz(labels, probabilities, ignored=255):
    """Increments of the Jaccard loss over sets that grow one mistake at a time."""
    counts = labels != ignored
    labels, probabilities = labels[counts], probabilities[counts].astype(np.float64)
    losses = []
    for number in np.unique(labels):
        true = labels == number
        errors = np.abs(true - probabilities[:, number])
        order, mistaken = np.argsort(-errors), np.zeros(true.size, bool)
        total, before = 0.0, 0.0
        for pixel in order:
            mistaken[pixel] = True
            predicted = true ^ mistaken
            jaccard = (true & predicted).sum() / (true | predicted).sum()
            total += errors[pixel] * (1 - jaccard - before)
            before = 1 - jaccard
        losses.append(total)
    return np.mean(losses)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("threshold", "kept"), HARD)
def test_hard_pixels_cost_what_they_do_in_the_original(rule, threshold, kept, recorded):
    arrays, logits, _ = recorded
    loss = HardPixelCrossEntropy(
        RULES[rule],
        int(arrays["ignore_label"]),
        arrays["class_weights"],
        threshold=threshold,
        kept=kept,
    )
    expected = float(arrays[f"ohem_{threshold}_{kept}_{rule}"])
    assert float(loss(arrays["labels"], logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_a_compiled_pair_of_outputs_costs_what_it_does_in_the_original(rule, recorded):
    arrays, logits, auxiliary = recorded
    loss = DenseCrossEntropy(RULES[rule], class_weights=arrays["class_weights"])
    inputs = {
        name: keras.Input(logits.shape[1:], name=f"{name}_input")
        for name in ("auxiliary", "logits")
    }
    outputs = {
        name: keras.layers.Activation("linear", name=name)(x)
        for name, x in inputs.items()
    }
    model = keras.Model([inputs["auxiliary"], inputs["logits"]], outputs)
    model.compile(
        "sgd",
        loss=dict.fromkeys(outputs, loss),
        loss_weights={"auxiliary": 0.4, "logits": 1.0},
    )
    labels = dict.fromkeys(outputs, arrays["labels"])
    found = model.evaluate(
        [auxiliary, logits], labels, batch_size=2, verbose=0, return_dict=True
    )["loss"]
    assert found == pytest.approx(float(arrays[f"ocr_ce_0.4_1_{rule}"]), rel=1e-5)


def test_every_recorded_loss_is_reproduced():
    recorded = read_arrays("protocol", "segmentation_losses").keys()
    tested = {
        f"{name}_{rule}"
        for name in ("ce", "ocr_ce_0.4_1", *(f"ohem_{t}_{k}" for t, k in HARD))
        for rule in RULES
    }
    inputs = {"logits", "aux_logits", "labels", "class_weights", "ignore_label"}
    assert recorded == tested | inputs


@pytest.mark.parametrize(
    ("threshold", "kept", "hard"),
    [
        (0.6, 1, (0.2, 0.5)),  # the threshold is the higher limit
        (0.3, 1, (0.2,)),  # the limit is 0.5, and not below itself
        (0.6, 3, (0.2, 0.5, 0.8)),  # the limit is 0.95
        (0.6, 100, (0.2, 0.5, 0.8)),  # of too few pixels the last is the limit
        (0.99, 1, (0.2, 0.5, 0.8, 0.95)),
        (0.1, 0, ()),  # the limit is 0.2, and nothing is below
    ],
)
def test_hard_pixels_by_hand(threshold, kept, hard):
    labels = np.array([[[0, 0, 255, 0, 0]]])
    logits = two_classes(0.5, 0.95, 0.01, 0.2, 0.8)
    loss = HardPixelCrossEntropy(threshold=threshold, kept=kept)(labels, logits)
    expected = -np.log(hard).mean() if hard else 0.0
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("threshold", "kept"), [(0.2, 5), (0.4, 20), (0.1, 1000)])
def test_hard_pixels_follow_the_definition(threshold, kept, batch):
    labels, logits = batch
    loss = HardPixelCrossEntropy(
        class_weights=(0.5, 1.5, 3.0), threshold=threshold, kept=kept
    )
    losses, weights, counts = (x.numpy() for x in loss.pixels(labels, logits))
    np.testing.assert_array_equal(counts, labels != 255)
    expected = hard_mean(losses * weights, np.exp(-losses), counts, threshold, kept)
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)


def test_classes_weigh_hard_pixels_without_changing_their_number():
    labels = np.array([[[0, 1, 0]]])
    loss = HardPixelCrossEntropy(class_weights=(0.5, 3.0), threshold=0.7, kept=1)
    value = loss(labels, two_classes(0.5, 0.6, 0.9))
    expected = -(0.5 * np.log(0.5) + 3 * np.log(0.4)) / 2
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_only_hard_pixels_learn():
    logits = two_classes(0.2, 0.8, 0.95)
    loss = HardPixelCrossEntropy(threshold=0.5, kept=1)
    _, change = gradient(loss, np.zeros((1, 1, 3), int), logits)
    expected = [[[[-0.8, 0.8], [0, 0], [0, 0]]]]
    np.testing.assert_allclose(change, expected, atol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        HardPixelCrossEntropy(),
        LovaszSoftmax(),
        LovaszSoftmax(per_image=True),
        SoftDice(),
    ],
)
def test_only_ignored_labels_cost_nothing_and_move_nothing(loss, batch):
    labels, logits = batch
    value, change = gradient(loss, np.full_like(labels, 255), logits)
    assert float(value) == 0
    np.testing.assert_array_equal(change, np.zeros_like(logits))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.5}, "`threshold` must be from 0 to 1, got 1.5"),
        ({"kept": -1}, "`kept` must be at least 0, got -1"),
        ({"upsampling": "nearest"}, "`upsampling` must be .* got 'nearest'"),
    ],
)
def test_wrong_arguments_of_hard_pixels_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        HardPixelCrossEntropy(**arguments)


def test_lovasz_by_hand():
    # Class 0: errors 0.4 (true) and 0.3 (other): Jaccard losses 1, 1.
    # Class 1: errors 0.4 (other) and 0.3 (true): Jaccard losses 1/2, 1.
    labels = np.array([[[0, 1]]])
    expected = (0.4 + (0.4 * 0.5 + 0.3 * 0.5)) / 2
    value = LovaszSoftmax()(labels, two_classes(0.6, 0.3))
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_a_perfect_prediction_costs_lovasz_nothing(batch):
    labels, _ = batch
    logits = 100 * tf.one_hot(labels, 3)
    assert float(LovaszSoftmax()(labels, logits)) == 0


def test_a_prediction_without_a_right_pixel_costs_lovasz_all():
    labels = np.array([[[0, 1, 0]]])
    logits = 100 * tf.one_hot(1 - labels, 2)
    assert float(LovaszSoftmax()(labels, logits)) == pytest.approx(1)


@pytest.mark.parametrize("per_image", [False, True])
def test_lovasz_follows_the_definition(per_image, rng):
    labels = rng.choice([0, 2, 3, 255], (2, 4, 6))  # nothing of class 1
    labels[1][labels[1] == 3] = 0  # and in the second image nothing of class 3
    logits = rng.standard_normal((2, 4, 6, 4)).astype(np.float32)
    p = tf.nn.softmax(logits).numpy()
    expected = lovasz(labels, p)
    if per_image:
        expected = np.mean([lovasz(labels[i], p[i]) for i in range(2)])
    value = LovaszSoftmax(per_image=per_image)(labels, logits)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_an_image_without_labels_counts_as_no_loss_of_its_own(batch):
    labels, logits = batch
    alone = float(LovaszSoftmax()(labels[:1], logits[:1]))
    labels[1] = 255
    value = LovaszSoftmax(per_image=True)(labels, logits)
    assert float(value) == pytest.approx(alone / 2, rel=1e-5)


def test_lovasz_descends(batch):
    labels, logits = batch
    value, change = gradient(LovaszSoftmax(), labels, logits)
    after = LovaszSoftmax()(labels, logits - 0.1 * change)
    assert float(after) < float(value)


def example(make, batch):
    """Targets and predictions that a loss can compare."""
    labels, predicted = batch
    if make is not DenseRegression:
        return labels, predicted
    target = np.repeat(labels[..., None], 3, axis=-1).astype(np.float32)
    target[target == 255] = NAN
    return target, predicted


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (HardPixelCrossEntropy, {"threshold": 0.3, "kept": 20}),
        (HardPixelCrossEntropy, {"kept": 10_000}),
        (LovaszSoftmax, {}),
        (LovaszSoftmax, {"per_image": True}),
        (DenseRegression, {"kind": "berhu"}),
    ],
)
def test_a_graph_computes_the_same(make, arguments, jit_compile, known, batch):
    loss = make(**arguments)
    inputs = [tf.constant(x, tf.float32) for x in example(make, batch)]
    shapes = [
        x.shape if known else [None, None, None, *x.shape[3:]]
        for x in map(np.array, inputs)
    ]
    compiled = tf.function(
        lambda y_true, y_pred: gradient(loss, y_true, y_pred),
        input_signature=[tf.TensorSpec(shape) for shape in shapes],
        jit_compile=jit_compile,
    )
    (value, change), (expected, right) = compiled(*inputs), gradient(loss, *inputs)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(change, right, atol=1e-6)


@pytest.mark.parametrize("make", [make for make, _ in LOSSES])
def test_half_precision_is_compared_in_float32(make, batch):
    y_true, y_pred = example(make, batch)
    half = y_pred.astype(np.float16)
    value = make().call(y_true, tf.constant(half))
    assert value.dtype == tf.float32
    expected = make().call(y_true, tf.constant(half.astype(np.float32)))
    np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(("make", "arguments"), LOSSES)
def test_a_loss_is_rebuilt_from_its_configuration(make, arguments):
    again = keras.losses.deserialize(keras.losses.serialize(make(**arguments)))
    assert isinstance(again, make)
    assert arguments.items() <= again.get_config().items()


@pytest.mark.parametrize(("make", "arguments"), LOSSES)
def test_a_saved_model_keeps_its_loss(make, arguments, batch, tmp_path):
    y_true, y_pred = example(make, batch)
    y_true[y_true == 255] = 0
    image = keras.Input(y_pred.shape[1:])
    model = keras.Model(image, keras.layers.Conv2D(3, 1)(image))
    model.compile("sgd", loss=make(**arguments))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()
    expected = model.evaluate(y_pred, y_true, verbose=0)
    assert again.evaluate(y_pred, y_true, verbose=0) == pytest.approx(expected)


def test_configurations_written_before_the_package_was_split_are_read():
    written = keras.losses.serialize(DenseCrossEntropy(ignored=7))
    assert written["registered_name"] == "hrnet_tf>DenseCrossEntropy"
    again = keras.losses.deserialize({**written, "module": "hrnet_tf.losses"})
    assert again.ignored == 7


def test_losses_add_up_by_their_weights(batch):
    losses = [DenseCrossEntropy(), LovaszSoftmax()]
    found = WeightedSum(losses, [1.0, 0.5])(*batch)
    expected = losses[0](*batch) + 0.5 * losses[1](*batch)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    again = keras.losses.deserialize(
        keras.losses.serialize(WeightedSum(losses, [1, 2]))
    )
    assert again.weights == [1.0, 2.0]
    assert [type(loss) for loss in again.losses] == [DenseCrossEntropy, LovaszSoftmax]
    with pytest.raises(ValueError, match="each of the 2 losses, got 1"):
        WeightedSum(losses, [1.0])
