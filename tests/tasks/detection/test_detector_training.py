"""Detectors learn by Keras's `fit`, as the original program does."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
import hrnet_tf.tasks.detection.learning as learning_module
import hrnet_tf.tasks.detection.losses as losses_module
import hrnet_tf.tasks.detection.sample as sampling_module
from hrnet_tf.checkpoints.names import official
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.common.compat import build_optimizer
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.accumulation import Accumulated
from hrnet_tf.networks.optimizers import CoupledSGD
from hrnet_tf.tasks.detection.detector import Detector, behind_normalisation
from hrnet_tf.tasks.detection.learning import Learning
from hrnet_tf.tasks.detection.proposals import Proposals
from hrnet_tf.tasks.detection.sample import Sample
from support.networks import shallow_networks
from support.official import read_case
from support.official_detectors import blocks, case_tensors, some_objects
from support.served import TINY

CHILD = Path(__file__).parents[2] / "support" / "detector_devices_child.py"
PATHS = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
CLASSES = 3
NAMES = ["loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "acc", "loss_mask"]


def build(**arguments):
    keras.utils.set_random_seed(0)
    with shallow_networks():
        model = hrnet_tf.HRNetDetector(classes=CLASSES, **TINY, **arguments)
    few = {"before": 200, "proposals": 100, "anchors": 32, "regions": 32}
    model.learning = replace(model.learning, **few)
    return model


def steps(given, targets, count):
    data = tf.data.Dataset.from_tensors((given, targets))
    return data.repeat(count)


def lowest(monkeypatch):
    """Draw without chance."""
    monkeypatch.setattr(learning_module, "_chance", lambda *_: None)


def test_it_learns_and_the_curves_tell_what(tmp_path, eagerly, monkeypatch):
    lowest(monkeypatch)
    model, (given, targets) = build(masks=True), some_objects()
    model.compile(CoupledSGD(0.01, 0.9, coupled_weight_decay=1e-4))
    norm = model.get_layer("bn1")
    before = norm.get_weights()
    data = steps(given, targets, 1)
    history = model.fit(data, epochs=3, shuffle=False, verbose=0).history
    assert set(history) == {"loss", *NAMES}
    assert history["loss"][2] < history["loss"][1] < history["loss"][0]
    losses = [history[name][0] for name in NAMES if "loss" in name]
    assert history["loss"][0] == pytest.approx(sum(losses), rel=1e-5)
    assert all(value > 0 for value in losses)
    after = norm.get_weights()
    for old, new in zip(before[:2], after[:2], strict=True):
        assert np.abs(old - new).max() > 0  # scale and shift learn
    for old, new in zip(before[2:], after[2:], strict=True):
        np.testing.assert_array_equal(old, new)  # statistics stay

    model.save(tmp_path / "detector.keras")
    again = keras.models.load_model(tmp_path / "detector.keras")
    assert type(again) is Detector
    assert again.learning == model.learning
    for one, other in zip(states_of(model), states_of(again), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_steps_are_traced_in_the_first_epoch_alone():
    """Whatever sizes its batches have, and however many objects."""
    model, (given, targets), traces = build(), some_objects(), []
    model.compile(CoupledSGD(0.01, 0.9))
    build_optimizer(model)
    features = model.features
    model.features = lambda *of, **how: traces.append(0) or features(*of, **how)
    targets = {name: targets[name] for name in ("boxes", "labels")}
    wider = {
        **given,
        "image": np.pad(given["image"], [(0, 0), (0, 0), (0, 32), (0, 0)]),
    }
    fewer = {name: values[:, :2] for name, values in targets.items()}
    batches = [(given, targets), (wider, fewer)]
    any_size = tf.nest.map_structure(
        lambda values: tf.TensorSpec((2, *[None] * (values.ndim - 1)), values.dtype),
        batches[0],
    )
    any_size[0]["image"] = tf.TensorSpec((2, None, None, 3), tf.float32)
    data = tf.data.Dataset.from_generator(lambda: batches, output_signature=any_size)
    how = {"steps_per_epoch": 2, "shuffle": False, "verbose": 0}
    model.fit(data.repeat(), **how)
    first = len(traces)
    model.fit(data.repeat(), epochs=3, initial_epoch=1, **how)
    assert 0 < first == len(traces)


def states_of(model):
    """What the optimizer remembers: a list in one Keras, a method in the other."""
    variables = model.optimizer.variables
    return [np.asarray(x) for x in (variables() if callable(variables) else variables)]


def test_a_new_one_is_compiled_and_saved_with_all_of_it(tmp_path):
    model = build(batch_statistics=True)
    assert model.optimizer.coupled_weight_decay == 1e-4
    model.save(tmp_path / "detector.keras")
    again = keras.models.load_model(tmp_path / "detector.keras")
    assert again.batch_statistics
    assert again.learning == model.learning != Learning()


def test_numbers_are_those_of_the_published_detectors():
    assert Learning.published(cascade=False, masks=False) == Learning()
    assert Learning.published(cascade=False, masks=True) == Learning(rescue=True)
    for masks in (False, True):
        found = Learning.published(cascade=True, masks=masks)
        assert found == Learning(proposals=2000, border=0)


def gradients_of(model, given, targets):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(given, targets, model(given, training=True))
    return loss, tape.gradient(loss, model.trainable_variables)


def test_batches_accumulate_to_the_mean_of_their_gradients(eagerly, monkeypatch):
    """Not to that of both images at once: losses are divided by a batch's regions."""
    lowest(monkeypatch)
    model, (given, targets) = build(), some_objects()
    batches = [
        tuple({n: tf.constant(x[i : i + 1]) for n, x in of.items()} for of in whole)
        for whole in [(given, {n: targets[n] for n in ("boxes", "labels")})]
        for i in range(2)
    ]
    of_each = [gradients_of(model, *batch)[1] for batch in batches]
    before = [x.numpy() for x in model.trainable_variables]
    model.compile(Accumulated(keras.optimizers.SGD(0.5), 2))
    for batch in batches:
        data = tf.data.Dataset.from_tensors(batch)
        model.fit(data, shuffle=False, verbose=0)
    for old, variable, *gradients in zip(
        before, model.trainable_variables, *of_each, strict=True
    ):
        expected = old - 0.5 * sum(gradients) / 2
        np.testing.assert_allclose(variable.numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cascade", [False, True])
def test_all_of_it_learns(cascade, monkeypatch):
    lowest(monkeypatch)
    model, (given, targets) = build(masks=True, cascade=cascade), some_objects()
    given, targets = (
        {name: tf.constant(x) for name, x in of.items()} for of in (given, targets)
    )
    loss, gradients = gradients_of(model, given, targets)
    for (name, _), gradient in zip(
        [(n, v) for n, v in official_names(model) if v.trainable],
        gradients,
        strict=True,
    ):
        assert gradient is not None, name
        assert np.isfinite(np.asarray(gradient)).all(), name
    for head in (*model.heads.boxes, *model.heads.masks):
        places = {id(v): i for i, v in enumerate(model.trainable_variables)}
        for variable in head.logits.trainable_variables:
            assert np.abs(gradients[places[id(variable)]]).max() > 0
    curves = {metric.name: float(metric.result()) for metric in model.metrics}
    prefixes = ["s0.", "s1.", "s2."] if cascade else [""]
    names = [f"{p}{n}" for p in prefixes for n in NAMES[2:]]
    assert set(curves) == {"loss", *NAMES[:2], *names}
    assert curves["loss"] == pytest.approx(float(loss), rel=1e-5)


def test_heads_look_at_no_more_regions_than_there_are(monkeypatch):
    lowest(monkeypatch)
    model, (given, targets) = build(masks=True), some_objects()
    given, targets = (
        {name: tf.constant(x) for name, x in of.items()} for of in (given, targets)
    )
    model.learning = replace(model.learning, regions=256)  # of 100 proposals
    crop, looked, losses = learning_module.crop, [], []

    def seen(levels, boxes, side):
        looked.append(boxes.shape[1])
        return crop(levels, boxes, side)

    monkeypatch.setattr(learning_module, "crop", seen)
    for lengths in (1, 8):  # with 1 all places are looked at
        monkeypatch.setattr(learning_module, "LENGTHS", lengths)
        features = model(given, training=True)
        losses.append(float(model.compute_loss(given, targets, features)))
    of_boxes, of_masks = looked[::2], looked[1::2]
    assert (of_boxes[0], of_masks[0]) == (256, 64)
    assert of_boxes[1] <= 128
    assert of_masks[1] < 64
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_crowds_and_padding_are_no_objects(monkeypatch):
    lowest(monkeypatch)
    model, (given, targets) = build(), some_objects()
    given = {name: tf.constant(x) for name, x in given.items()}

    def loss_of(targets):
        targets = {name: tf.constant(x) for name, x in targets.items()}
        return float(model.compute_loss(given, targets, model(given, training=True)))

    plain = {name: targets[name][:, :2] for name in ("boxes", "labels")}
    assert loss_of(targets) == pytest.approx(loss_of(plain), rel=1e-6)
    without = {n: x for n, x in targets.items() if n != "crowds"}
    assert abs(loss_of(without) - loss_of(plain)) > 1e-3
    nothing = {"boxes": np.zeros((2, 0, 4)), "labels": np.zeros((2, 0), np.int32)}
    assert np.isfinite(loss_of(nothing))


def test_raw_images_are_normalised_and_padding_is_zero(monkeypatch, tmp_path):
    lowest(monkeypatch)
    detector, (given, targets) = build(), some_objects()
    raw = np.random.default_rng(1).integers(0, 256, (2, 64, 96, 3), np.uint8)
    model = behind_normalisation(detector)
    assert model.layers[-1].name == detector.name
    assert model.layers[-1].learning == detector.learning
    images = np.array(hrnet_tf.preprocess_input(raw))
    images[1, 50:] = images[1, :, 70:] = 0
    sizes = tf.constant(given["sizes"])
    targets = {name: tf.constant(x) for name, x in targets.items()}
    losses = []
    for network, image in ((model, raw), (detector, images)):
        x = {"image": tf.constant(image), "sizes": sizes}
        y_pred = network(x, training=True)
        losses.append(float(network.compute_loss(x, targets, y_pred)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    model.compile(CoupledSGD(0.01))
    model.save(tmp_path / "training.keras")
    again = keras.models.load_model(tmp_path / "training.keras")
    x = {"image": tf.constant(raw), "sizes": sizes}
    loss = again.compute_loss(x, targets, again(x, training=True))
    assert float(loss) == pytest.approx(losses[0], rel=1e-5)
    found, expected = again(x), detector({"image": tf.constant(images), "sizes": sizes})
    np.testing.assert_allclose(found["boxes"], expected["boxes"], atol=1e-3)


def test_what_it_cannot_learn_from_is_refused():
    model, (given, targets) = build(), some_objects()
    given = {name: tf.constant(x) for name, x in given.items()}
    features = model(given, training=True)
    with pytest.raises(InputError, match="take no `sample_weight`"):
        model.compute_loss(given, targets, features, tf.ones(2))
    with pytest.raises(InputError, match=r"boxes, labels; missing: labels\."):
        model.compute_loss(given, {"boxes": targets["boxes"]}, features)
    with pytest.raises(InputError, match="missing: boxes, labels"):
        model.compute_loss(given, targets["boxes"], features)
    wrong = {**targets, "labels": targets["labels"] + 1}
    with pytest.raises(tf.errors.InvalidArgumentError, match="number of classes, 3"):
        model.compute_loss(given, wrong, features)
    model.compile("sgd", loss="mse")
    with pytest.raises(InputError, match="call `compile` without `loss`"):
        model.fit(steps(given, targets, 1), verbose=0, shuffle=False)


@pytest.mark.slow
def test_two_devices_learn_what_one_does(tmp_path):
    found = []
    for count in (1, 2):
        path = tmp_path / f"{count}.npz"
        command = [sys.executable, str(CHILD), str(path), str(count)]
        process = subprocess.run(command, capture_output=True, text=True, env=PATHS)
        assert not process.returncode, process.stderr[-3000:]
        found.append(dict(np.load(path)))
    alone, together = found
    assert alone["loss"][1] < alone["loss"][0]
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        np.testing.assert_allclose(
            together[name], value, rtol=1e-3, atol=1e-5, err_msg=name
        )


# The recorded steps


def evenly(owners, sampling, seed=None):
    """The record's rule: of more candidates than wanted, evenly many are left out."""
    rows = []
    for row in np.asarray(owners):
        positive = spread(np.flatnonzero(row > 0), sampling.most_positive)
        negative = spread(np.flatnonzero(row == 0), sampling.total - len(positive))
        rows.append((positive, negative))
    indices = np.zeros((len(rows), sampling.total), np.int32)
    positives, reals = np.zeros_like(indices, bool), np.zeros_like(indices, bool)
    for i, (positive, negative) in enumerate(rows):
        every = np.concatenate([positive, negative])
        indices[i, : len(every)] = every
        positives[i, : len(positive)] = True
        reals[i, : len(every)] = True
    return Sample(tf.constant(indices), tf.constant(positives), tf.constant(reals))


def spread(candidates, wanted):
    if len(candidates) <= wanted:
        return candidates
    return candidates[np.arange(wanted) * (len(candidates) - 1) // (wanted - 1)]


@pytest.mark.slow
def test_training_steps_are_those_of_the_original(monkeypatch):
    case = read_case("detection", "training_faster_rcnn_w18")
    model = hrnet_tf.HRNetDetector(18)
    whole = read_case("detection", "faster_rcnn_w18")
    tensors = case_tensors({**whole, "weight_scale": case["weight_scale"]})
    hrnet_tf.load_official(model, official(tensors, "recorded"))
    fixed = tf.constant([case["proposals"]], tf.float32)
    count = fixed.shape[1]
    model.learning = replace(
        model.learning,
        anchors=case["sampler"]["rpn"]["number"],
        regions=case["sampler"]["box"]["number"],
        proposals=count,
    )
    monkeypatch.setattr(losses_module, "sample", evenly)
    monkeypatch.setattr(sampling_module, "sample", evenly)
    monkeypatch.setattr(
        learning_module,
        "propose",
        lambda *of: Proposals(fixed, fixed[..., 0], tf.constant([count])),
    )
    given = {
        "image": tf.constant(blocks(case["input_name"], case["input_shape"])),
        "sizes": tf.constant([case["img_shape"]]),
    }
    targets = {
        "boxes": tf.constant([case["gt_boxes"]]),
        "labels": tf.constant([case["gt_labels"]]),
    }
    _, gradients = gradients_of(model, given, targets)
    names = {id(variable): name for name, variable in official_names(model)}
    norms = {
        names[id(variable)]: float(tf.norm(gradient))
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
    }
    recorded = official(
        {n: np.array(v) for n, v in case["first_step_gradient_norms"].items()}, "x"
    )
    assert norms == pytest.approx({n: float(v) for n, v in recorded.items()}, rel=1e-3)

    recipe = case["recipe"]
    optimizer = CoupledSGD(
        recipe["lr"], recipe["momentum"], coupled_weight_decay=recipe["weight_decay"]
    )
    model.compile(optimizer, run_eagerly=True)
    data = tf.data.Dataset.from_tensors((given, targets))
    found = model.fit(data, epochs=3, shuffle=False, verbose=0).history
    last = model.evaluate(data, verbose=0, return_dict=True)
    for number, step in enumerate(case["steps"]):
        for name in ("loss", *NAMES[:5]):
            value = found[name][number] if number < 3 else last[name]
            tolerance = 1e-5 if number == 0 else 1e-3  # rounding in float32 adds up
            assert value == pytest.approx(step[name], rel=tolerance, abs=1e-6), name
    ours = {n: float(tf.norm(v)) for n, v in official_names(model)}
    finals = official(
        {n: np.array(v) for n, v in case["final_parameter_norms"].items()}, "x"
    )
    assert {n: ours[n] for n in finals} == pytest.approx(
        {n: float(v) for n, v in finals.items()}, rel=1e-5
    )
