"""Optimizers of one operation a variable go where Keras's go."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.common.compat import (
    KERAS_3,
    averaged_values,
    loss_scale,
    scale_losses,
    scaled_if_mixed,
)
from hrnet_tf.networks.accumulation import Accumulated
from support.fused import (
    CASES,
    ON_DEVICES,
    OURS,
    STEPS,
    optimizer_of,
    sparse,
    steps_of,
    values_of,
    variables_of,
)

CHILD = Path(__file__).parents[1] / "support" / "fused.py"


def both(name, start, gradients, **how):
    """Variables, and those of the optimizer, after each way's steps."""
    return [
        values_of(*steps_of(optimizer_of(name, kind), start, gradients, **how))
        for kind in (hrnet_tf.optimizers, keras.optimizers)
    ]


@pytest.fixture
def start(rng):
    return [rng.normal(size=size).astype(np.float32) for size in ((5, 3), (4,))]


@pytest.fixture
def gradients(rng, start):
    shapes = [value.shape for value in start]
    return [
        [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        for _ in range(STEPS)
    ]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=4e-6)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_keras(name, traced, start, gradients):
    found, expected = both(name, start, gradients, traced=traced)
    assert_same(found, expected)
    assert not np.allclose(found[0], start[0], atol=1e-3)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "nesterov", "momentum"])
def test_sparse_gradients_go_the_way_of_keras(name, start, gradients):
    some = [[sparse(step[0]), step[1]] for step in gradients]
    assert_same(*both(name, start, some))


@pytest.mark.parametrize("name", ["adamw", "nesterov", "plain", "coupled"])
def test_xla_compiles_them(name, start, gradients):
    kinds = hrnet_tf.optimizers
    found, expected = (
        values_of(*steps_of(optimizer_of(name, kinds), start, gradients, **how))
        for how in ({"traced": True, "xla": True}, {})
    )
    assert_same(found, expected)


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_other_types_go_the_way_of_keras(name, start, gradients):
    start, gradients = (
        tf.nest.map_structure(lambda value: value.astype(np.float64), values)
        for values in (start, gradients)
    )
    assert_same(*both(name, start, gradients))


@pytest.mark.parametrize("name", ["adam", "adamw", "nesterov"])
def test_one_operation_updates_a_variable(name, start, gradients):
    optimizer = optimizer_of(name, hrnet_tf.optimizers)
    variables = variables_of(start)

    @tf.function
    def step(*gradients):
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))

    graph = step.get_concrete_function(*gradients[0]).graph
    operations = [operation.type for operation in graph.get_operations()]
    fused = [kind for kind in operations if kind.startswith("ResourceApply")]
    assert len(fused) == len(variables)
    assert operations.count("Pow") == (0 if name == "nesterov" else 2)
    assert operations.count("AssignSubVariableOp") == (
        len(variables) if name == "adamw" else 0
    )


def network(optimizer, **more):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile(optimizer, loss="mse", **more)
    return model


def batches(rng, number=4):
    return [
        (rng.normal(size=(8, 3)).astype(np.float32), np.ones((8, 1), np.float32))
        for _ in range(number)
    ]


@pytest.mark.parametrize("name", ["adam", "adamw", "averaged", "nesterov"])
def test_the_state_that_keras_has_written_loads(name, rng, tmp_path):
    whole = network(optimizer_of(name, keras.optimizers))
    for batch in (parts := batches(rng))[:2]:
        whole.train_on_batch(*batch)
    whole.save(tmp_path / "theirs.keras")
    ours = OURS[type(whole.optimizer).__name__]
    with_state = keras.models.load_model(tmp_path / "theirs.keras")
    assert type(with_state.optimizer) is type(whole.optimizer)
    model = network(ours.from_config(whole.optimizer.get_config()))
    model.set_weights(whole.get_weights())
    model.optimizer.build(model.trainable_variables)
    store = {}
    whole.optimizer.save_own_variables(store)
    model.optimizer.load_own_variables(store)
    model.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    assert type(again.optimizer) is ours
    for batch in parts[2:]:
        whole.train_on_batch(*batch)
        again.train_on_batch(*batch)
    assert_same(again.get_weights(), whole.get_weights())


def test_averages_are_those_of_keras(rng):
    found = []
    for kinds in (hrnet_tf.optimizers, keras.optimizers):
        model = network(optimizer_of("averaged", kinds))
        for batch in batches(np.random.default_rng(0)):
            model.train_on_batch(*batch)
        found.append([np.asarray(average) for _, average in averaged_values(model)])
    assert_same(*found)


@pytest.mark.parametrize("wrap", [scale_losses, lambda inner: Accumulated(inner, 2)])
def test_they_work_inside_of_others(wrap):
    found = []
    for kinds in (hrnet_tf.optimizers, keras.optimizers):
        model = network(wrap(optimizer_of("adamw", kinds)))
        for batch in batches(np.random.default_rng(0)):
            model.train_on_batch(*batch)
        found.append(model.get_weights())
    assert_same(*found)


TINY = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (64, 64, 3)}
NETWORKS = {
    "pose": (lambda: hrnet_tf.HRNetV1(4, 3, **TINY), (2, 3, 3)),
    "ocr": (lambda: hrnet_tf.HRNetV2(4, 3, ocr=True, **TINY), (2, 64, 64)),
    "classification": (lambda: hrnet_tf.HRNetClassifier(4, 3, **TINY), (2,)),
}


def traces_of(model, shape, rng):
    """How often a step of a network is traced in two of them."""
    traces = []
    images = rng.normal(size=(2, 64, 64, 3)).astype(np.float32)
    step = model.train_step

    def counted(data):
        traces.append(None)
        return step(data)

    model.train_step = counted
    model(images)
    for _ in range(2):
        model.train_on_batch(images, np.ones(shape, np.float32))
    return len(traces)


@pytest.mark.parametrize(
    "task",
    ["pose", "ocr", pytest.param("classification", marks=pytest.mark.slow)],
)
def test_a_network_is_traced_once_and_its_optimizer_empty_before(task, rng):
    build, shape = NETWORKS[task]
    model = build()
    assert len(model.optimizer.variables) <= 2  # steps and rate
    assert traces_of(model, shape, rng) == 1
    assert len(model.optimizer.variables) > len(model.trainable_variables)


@pytest.fixture
def half_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def test_a_network_of_mixed_precision_is_traced_once(half_precision, shallow, rng):
    build, shape = NETWORKS["pose"]
    model = build()
    assert loss_scale(model.optimizer) in (None, 2**15)  # None: not begun
    assert traces_of(model, shape, rng) == 1
    assert loss_scale(model.optimizer) <= 2**15


def test_a_saved_network_is_traced_once(shallow, tmp_path, rng):
    build, shape = NETWORKS["ocr"]
    build().save(tmp_path / "ocr.keras")
    model = keras.models.load_model(tmp_path / "ocr.keras")
    assert traces_of(model, shape, rng) == 1


def test_mixed_precision_is_saved_before_and_after_it_has_begun(
    half_precision, tmp_path
):
    model = network(scaled_if_mixed(hrnet_tf.optimizers.Adam(0.1)))
    path = tmp_path / "network.keras"
    # Keras 2 cannot open what had not begun.
    for begun in (False, True) if KERAS_3 else (True,):
        if begun:
            model.train_on_batch(np.ones((2, 3), np.float32), np.ones((2, 1)))
        model.save(path)
        again = keras.models.load_model(path)  # without a warning
        assert type(again.optimizer) is type(model.optimizer)
        assert int(again.optimizer.iterations) == int(model.optimizer.iterations)
    assert loss_scale(again.optimizer) == loss_scale(model.optimizer)
    batch = np.ones((2, 3), np.float32), np.zeros((2, 1), np.float32)
    assert model.train_on_batch(*batch) == again.train_on_batch(*batch)
    assert_same(again.get_weights(), model.get_weights())


def test_two_devices_learn_what_one_does():
    """A process can have one strategy, whose devices it makes at its beginning."""
    command = [sys.executable, str(CHILD)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
    assert done.stdout.split() == ON_DEVICES
