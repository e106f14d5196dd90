"""Some batches for one step learn what a batch as many times larger does."""

import contextlib
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.compat import KERAS_3, averaged_values, scale_losses
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.optimizers import CoupledSGD, WarmSteps
from hrnet_tf.optimizers import Accumulated

CHILD = Path(__file__).parents[1] / "support" / "accumulation_child.py"
BATCHES, SIZE, STEPS = 3, 4, 5
WARM = WarmSteps(0.1, [3], 0.1, 2)
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, STEPS), momentum=0.9, clipnorm=0.05
    ),
    "adam": lambda: keras.optimizers.Adam(WARM, epsilon=1e-3),
    "averaged": lambda: keras.optimizers.AdamW(
        0.01, weight_decay=0.1, epsilon=1e-3, use_ema=True, ema_momentum=0.5
    ),
    "ours": lambda: CoupledSGD(
        WARM,
        0.9,
        nesterov=True,
        coupled_weight_decay=0.1,
        global_clipnorm=0.1,
        use_ema=True,
        ema_momentum=0.5,
    ),
}
if not KERAS_3:
    import tensorflow_addons

    OPTIMIZERS["addons"] = lambda: tensorflow_addons.optimizers.LAMB(WARM, epsilon=1e-3)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    count = STEPS * BATCHES * SIZE
    x = rng.normal(size=(count, 3)).astype(np.float32)
    return x, (x**2).sum(axis=1, keepdims=True)


def network(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile(optimizer, loss="mse", run_eagerly=True)
    return model


def learn(model, samples, size, batches=slice(None)):
    """Batches of so many samples, one after another."""
    x, y = (np.split(values, len(values) // size)[batches] for values in samples)
    for each, target in zip(x, y, strict=True):
        model.train_on_batch(each, target)
    return model


def numbers(model):
    """Weights, and their averages if there are any."""
    found = [np.asarray(variable) for variable in model.trainable_variables]
    inner = model.optimizer
    while hasattr(inner, "inner_optimizer"):
        inner = inner.inner_optimizer
    if getattr(inner, "use_ema", False):
        found += [np.asarray(average) for _, average in averaged_values(model)]
    return found


def assert_same(one, other, **tolerance):
    for a, b in zip(numbers(one), numbers(other), strict=True):
        np.testing.assert_allclose(a, b, **(tolerance or {"rtol": 0, "atol": 1e-6}))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_batches_learn_what_one_larger_batch_does(name, samples):
    make = OPTIMIZERS[name]
    before = network(make()).get_weights()
    large = learn(network(make()), samples, BATCHES * SIZE)
    small = learn(network(Accumulated(make(), BATCHES)), samples, SIZE)
    assert_same(small, large)
    pairs = zip(large.get_weights(), before, strict=True)
    assert min(np.abs(one - other).max() for one, other in pairs) > 2e-5
    assert int(small.optimizer.iterations) == STEPS
    assert int(small.optimizer.inner_optimizer.iterations) == STEPS


@pytest.mark.parametrize("compiled", [False, True])
def test_a_traced_step_learns_the_same(compiled, samples):
    make = OPTIMIZERS["ours"]
    eager = learn(network(Accumulated(make(), BATCHES)), samples, SIZE)
    traced = network(Accumulated(make(), BATCHES))
    traced.compile(traced.optimizer, loss="mse", jit_compile=compiled)
    assert_same(learn(traced, samples, SIZE), eager)


def test_weights_stay_until_there_are_enough_batches(samples):
    model = network(Accumulated(keras.optimizers.SGD(0.1), BATCHES))
    before = numbers(model)
    learn(model, samples, SIZE, slice(BATCHES - 1))
    for one, other in zip(numbers(model), before, strict=True):
        np.testing.assert_array_equal(one, other)
    learn(model, samples, SIZE, slice(BATCHES - 1, BATCHES))
    assert not np.array_equal(numbers(model)[0], before[0])


@pytest.mark.parametrize(
    ("name", "around"),
    [*((name, lambda inner: inner) for name in OPTIMIZERS), ("ours", scale_losses)],
)
def test_a_step_that_was_interrupted_goes_on(name, around, samples, tmp_path):
    def make():
        return around(Accumulated(OPTIMIZERS[name](), BATCHES))

    middle = BATCHES + 1  # a batch of the second step has been taken
    whole = learn(network(make()), samples, SIZE)
    model = learn(network(make()), samples, SIZE, slice(middle))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is type(model.optimizer)
    inner, expected = again.optimizer.inner_optimizer, model.optimizer.inner_optimizer
    assert type(inner) is type(expected)
    again.run_eagerly = True
    learn(again, samples, SIZE, slice(middle, None))
    assert_same(again, whole, rtol=0, atol=0)


def test_a_batch_that_mixed_precision_leaves_out_does_not_count(samples):
    def scaled():
        optimizer = Accumulated(OPTIMIZERS["ours"](), BATCHES)
        scaling = keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=8.0)
        return network(scaling)

    x, y = samples
    at = (BATCHES + 1) * SIZE  # in the middle of the second step
    broken = np.full((SIZE, 3), np.inf, np.float32), np.zeros((SIZE, 1), np.float32)
    with_it = [
        np.concatenate([values[:at], other, values[at:]])
        for values, other in zip((x, y), broken, strict=True)
    ]
    found = learn(scaled(), with_it, SIZE)
    expected = learn(network(OPTIMIZERS["ours"]()), samples, BATCHES * SIZE)
    assert_same(found, expected)


def test_two_devices_learn_what_one_does(tmp_path):
    """Weights, averages and what is kept in the middle of a step."""
    path = tmp_path / "found.npz"
    command = [sys.executable, str(CHILD), str(path)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert not process.returncode, process.stderr[-3000:]
    with np.load(path) as found:
        names = [name[2:] for name in found if name.startswith("1 ")]
        assert {"plain weights 1", "plain state 8", "scaled state 8"} <= set(names)
        for name in names:
            one, two = found[f"1 {name}"], found[f"2 {name}"]
            np.testing.assert_allclose(two, one, rtol=0, atol=1e-6, err_msg=name)
        for i in range(2):
            one, scaled = found[f"1 plain weights {i}"], found[f"1 scaled weights {i}"]
            np.testing.assert_allclose(scaled, one, rtol=0, atol=1e-6)


def test_the_rate_is_that_of_the_optimizer_inside():
    optimizer = Accumulated(keras.optimizers.SGD(0.5), 2)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == 0.25


@pytest.mark.skipif(not KERAS_3, reason="Keras 2's optimizers do not scale")
def test_a_loss_that_the_optimizer_inside_scales_is_scaled(samples):
    scaled = keras.optimizers.SGD(0.1, loss_scale_factor=16.0)
    found = learn(network(Accumulated(scaled, BATCHES)), samples, SIZE)
    plain = keras.optimizers.SGD(0.1)
    assert_same(found, learn(network(plain), samples, BATCHES * SIZE))


def test_what_does_not_fit_is_refused():
    inner = keras.optimizers.SGD(0.1)
    with pytest.raises(InputError, match="at least 1, got 0"):
        Accumulated(inner, 0)
    with pytest.raises(InputError, match="which goes around both"):
        Accumulated(keras.mixed_precision.LossScaleOptimizer(inner), 2)
    if KERAS_3:
        twice = keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)
        with pytest.raises(InputError, match="is 4, but 2 batches a step"):
            Accumulated(twice, 2)


def test_variables_without_a_gradient_are_left_alone():
    variables = [tf.Variable([1.0]), tf.Variable([1.0])]
    optimizer = Accumulated(keras.optimizers.SGD(1.0), 2)
    gradients = [tf.constant([0.5]), None]
    pairs = list(zip(gradients, variables, strict=True))
    warns = pytest.warns(UserWarning, match="Gradients do not exist")
    with warns if KERAS_3 else contextlib.nullcontext():  # Keras 2 logs it
        for _ in range(2):
            optimizer.apply_gradients(pairs)
    assert [float(variable[0]) for variable in variables] == [0.5, 1.0]
