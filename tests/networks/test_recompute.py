"""Activations that are computed twice change nothing of what is learnt."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import hrnet_tf
from hrnet_tf.common.compat import averaged_values
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.recomputation import _stays
from hrnet_tf.networks.segments import segments
from hrnet_tf.optimizers import Accumulated, Adam
from support.detectors import NARROW, tiny_detector
from support.recomputed import BATCH, IMAGES, SIZE, learn, network
from support.served import TINY

TESTS = Path(__file__).parents[1]
AVERAGED = {"use_ema": True, "ema_momentum": 0.5, "global_clipnorm": 1.0}


def assert_equal_weights(found, expected, tolerance=1e-6):
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("eagerly", [False, True])
def test_the_same_is_learnt(eagerly):
    """Batch norm's statistics and what dropout draws too."""
    kept, again = learn(False, eagerly=eagerly), learn(True, eagerly=eagerly)
    assert_equal_weights(again, kept)
    assert np.abs(kept.get_weights()[0] - network().get_weights()[0]).max() > 0.01


def test_the_same_is_learnt_in_half_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        kept, again = (learn(each, eagerly=True) for each in (False, True))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert_equal_weights(again, kept, 1e-3)


def test_the_same_is_averaged_over_steps_of_several_batches():
    kept, again = (
        learn(each, Accumulated(Adam(0.01, epsilon=0.1, **AVERAGED), 2), eagerly=True)
        for each in (False, True)
    )
    assert_equal_weights(again, kept)
    averages = zip(averaged_values(again), averaged_values(kept), strict=True)
    for (_, found), (_, expected) in averages:
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "how", ["open", pytest.param("traced", marks=pytest.mark.slow)]
)
def test_several_devices_learn_the_same(how, tmp_path):
    path = tmp_path / "weights.npz"
    command = [sys.executable, "-m", "support.recompute_child", str(path), how]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS)
    assert not done.returncode, done.stderr[-3000:]
    with np.load(path) as found:
        np.testing.assert_allclose(found["True"], found["False"], atol=1e-6)


def test_nothing_is_computed_again_before_gradients_ask_for_it():
    """Else all of it would be kept until then."""
    model = network()
    twice = sum(
        isinstance(call.layer, layers.Conv2D)
        for part in segments(model, _stays)
        for call in part.calls
        if part.again
    )
    assert twice > 4
    hrnet_tf.recompute(model)

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(images, training=True))
        return tape.gradient(loss, model.trainable_variables)

    graph = step.get_concrete_function(tf.constant(IMAGES[:BATCH])).graph
    behind = set()  # gradients: operations are in the order in which they were made
    late = 0
    for operation in graph.get_operations():
        before = [tensor.op.name for tensor in operation.inputs]
        before += [each.name for each in operation.control_inputs]
        is_gradient = operation.type == "Conv2DBackpropFilter"
        if is_gradient or operation.type == "Conv2DBackpropInput":
            behind.add(operation.name)
        elif not behind.isdisjoint(before):
            behind.add(operation.name)
            late += operation.type == "Conv2D"
    assert late == twice


@pytest.mark.parametrize("make", [hrnet_tf.HRNetV1, hrnet_tf.HigherHRNet])
def test_networks_answer_and_have_the_gradients_that_they_had(make):
    model = make(input_shape=(32, 32, 3), **TINY)
    image = tf.constant(np.random.default_rng(0).normal(size=(2, 32, 32, 3)), "float32")
    before = model.get_config()

    def gradients():
        statistics = [x.numpy() for x in model.non_trainable_variables]
        with tf.GradientTape() as tape:
            answers = tf.nest.flatten(model(image, training=True))
            loss = tf.add_n([tf.reduce_mean(x**2) for x in answers])
        found = tape.gradient(loss, model.trainable_variables)
        for variable, value in zip(
            model.non_trainable_variables, statistics, strict=True
        ):
            variable.assign(value)
        return [loss, *found]

    kept = gradients()
    hrnet_tf.recompute(model)
    for found, expected in zip(gradients(), kept, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert model.get_config() == before


def test_a_detector_computes_its_body_twice():
    model = tiny_detector(**NARROW)
    image = tf.constant(np.random.default_rng(0).normal(size=(1, 64, 64, 3)), "float32")
    weights = model.parts.pyramid.trainable_variables

    def gradients():
        with tf.GradientTape() as tape:
            levels = model.features(image, training=True)["levels"]
            loss = tf.add_n([tf.reduce_mean(x**2) for x in levels])
        return tape.gradient(loss, weights)

    kept = gradients()
    hrnet_tf.recompute(model)
    for found, expected in zip(gradients(), kept, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert "call" in vars(model.parts.pyramid)


def test_what_draws_or_has_a_state_of_its_own_is_computed_once():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(2, 1)(layers.Normalization(mean=0.0, variance=1.0)(image))
    state = layers.Normalization(name="state")
    x = layers.Conv2D(2, 1)(layers.Dropout(0.5, name="chance")(state(x)))
    x = layers.Conv2D(2, 1)(layers.BatchNormalization()(x))
    found = segments(keras.Model(image, x), _stays)
    alone = [
        [call.layer.name for call in part.calls] for part in found if not part.again
    ]
    assert alone[:2] == [["state"], ["chance"]]


def test_networks_of_other_kinds_are_refused():
    images = [keras.Input((SIZE, SIZE, 3)), keras.Input((SIZE, SIZE, 3))]
    model = keras.Model(images, layers.Add()(images), name="two")
    with pytest.raises(InputError, match=r"two cannot be recomputed .*one input"):
        hrnet_tf.recompute(model)
