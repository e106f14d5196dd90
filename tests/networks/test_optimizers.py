import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.compat import averaged_values
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.optimizers import CoupledSGD

RATES = (0.5, 0.5, 0.05, 0.05)
DROP = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.05])


@pytest.fixture
def gradients(rng):
    """Of a kernel and a bias, for each step."""
    return [
        [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,))]
        for _ in RATES
    ]


@pytest.fixture
def start(rng):
    return [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,))]


def by_pytorch(values, gradients, momentum, nesterov, decays, rates=RATES):
    """The formula of torch.optim.SGD, variable by variable."""
    values = [value.astype(np.float64) for value in values]
    buffers: list = [None] * len(values)
    for rate, step in zip(rates, gradients, strict=True):
        for i, decay in enumerate(decays):
            gradient = step[i] + decay * values[i]
            if momentum:
                first = buffers[i] is None
                buffer = gradient if first else momentum * buffers[i] + gradient
                buffers[i] = buffer
                gradient = gradient + momentum * buffer if nesterov else buffer
            values[i] = values[i] - rate * gradient
    return values


def by_keras(optimizer, values, gradients):
    variables = [tf.Variable(value) for value in values]
    for step in gradients:
        optimizer.apply_gradients(
            list(zip(map(tf.constant, step), variables, strict=True))
        )
    return [variable.numpy() for variable in variables]


def assert_near(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.9, False), (0.9, True), (0.0, False), (0, False)]
)
def test_steps_are_those_of_pytorch(momentum, nesterov, start, gradients):
    optimizer = CoupledSGD(DROP, momentum, nesterov, coupled_weight_decay=0.1)
    expected = by_pytorch(start, gradients, momentum, nesterov, (0.1, 0.1))
    assert_near(by_keras(optimizer, start, gradients), expected)


def test_biases_can_be_left_out_of_the_decay(start, gradients):
    optimizer = CoupledSGD(DROP, 0.9, coupled_weight_decay=0.1, decay_kernels_only=True)
    expected = by_pytorch(start, gradients, 0.9, False, (0.1, 0.0))
    assert_near(by_keras(optimizer, start, gradients), expected)


def test_layers_may_have_rates_of_their_own(batch):
    x, y = batch
    moved = []
    for rates in (None, {"head": 10.0}):
        model = small_model(CoupledSGD(0.01, 0.0, rates=rates))
        before = values_of(model)
        model.train_on_batch(x, y)
        moved.append([a - b for a, b in zip(values_of(model), before, strict=True)])
    owners = [layer.name for layer in model.layers for _ in layer.trainable_variables]
    assert owners.count("head") == 2
    for owner, plain, scaled in zip(owners, *moved, strict=True):
        factor = 10 if owner == "head" else 1
        np.testing.assert_allclose(scaled, factor * plain, rtol=1e-3, atol=1e-6)


def test_gradients_are_clipped_before_the_decay(start, gradients):
    optimizer = CoupledSGD(DROP, 0.9, coupled_weight_decay=0.5, global_clipnorm=1.0)
    clipped = []
    for step in gradients:
        norm = np.sqrt(sum((gradient**2).sum() for gradient in step))
        assert norm > 1  # or nothing would be clipped
        clipped.append([gradient / norm for gradient in step])
    expected = by_pytorch(start, clipped, 0.9, False, (0.5, 0.5))
    assert_near(by_keras(optimizer, start, gradients), expected)


def small_model(optimizer):
    """Two layers with weights that are no accident."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dense(1, dtype="float32", name="head"),
        ]
    )
    model.compile(optimizer, loss="mse")
    return model


@pytest.fixture
def batch(rng):
    return rng.normal(size=(8, 3)).astype(np.float32), np.ones((8, 1), np.float32)


def values_of(model):
    return [np.asarray(variable) for variable in model.trainable_variables]


def optimizer_like(**more):
    return CoupledSGD(0.1, 0.9, nesterov=True, coupled_weight_decay=0.01, **more)


@pytest.mark.parametrize("use_ema", [False, True])
def test_an_interrupted_training_goes_on_as_if_it_were_not(use_ema, batch, tmp_path):
    whole = small_model(optimizer_like(use_ema=use_ema))
    for _ in range(3):
        whole.train_on_batch(*batch)
    interrupted = small_model(optimizer_like(use_ema=use_ema))
    interrupted.train_on_batch(*batch)
    interrupted.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, CoupledSGD)
    for _ in range(2):
        again.train_on_batch(*batch)
    for one, other in zip(values_of(again), values_of(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    if use_ema:
        averages = [np.asarray(average) for _, average in averaged_values(again)]
        expected = [np.asarray(average) for _, average in averaged_values(whole)]
        for one, other in zip(averages, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_weights_are_averaged(batch):
    model = small_model(optimizer_like(use_ema=True, ema_momentum=0.75))
    model.train_on_batch(*batch)
    before = [np.asarray(average) for _, average in averaged_values(model)]
    model.train_on_batch(*batch)
    after = [np.asarray(average) for _, average in averaged_values(model)]
    expected = [
        0.75 * average + 0.25 * value
        for average, value in zip(before, values_of(model), strict=True)
    ]
    assert_near(after, expected)


def test_half_precision_takes_about_the_same_steps(batch):
    plain = small_model(optimizer_like())
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = small_model(optimizer_like())
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert isinstance(half.optimizer.inner_optimizer, CoupledSGD)
    before = values_of(half)
    for _ in range(2):
        plain.train_on_batch(*batch)
        half.train_on_batch(*batch)
    for old, new, expected in zip(
        before, values_of(half), values_of(plain), strict=True
    ):
        np.testing.assert_allclose(new - old, expected - old, rtol=0.02, atol=1e-3)


def test_the_configuration_gives_the_same_optimizer():
    optimizer = CoupledSGD(
        DROP,
        0.8,
        nesterov=True,
        coupled_weight_decay=0.01,
        decay_kernels_only=True,
        global_clipnorm=2.0,
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(again, CoupledSGD)
    assert again.get_config() == optimizer.get_config()
    assert again.get_config()["coupled_weight_decay"] == 0.01
    assert again.get_config()["decay_kernels_only"] is True


def test_the_decay_of_keras_is_refused():
    with pytest.raises(InputError, match=r"takes `coupled_weight_decay`.* is 0.1"):
        CoupledSGD(weight_decay=0.1)


def test_a_negative_decay_is_refused():
    with pytest.raises(InputError, match=r"at least 0, got -0.1"):
        CoupledSGD(coupled_weight_decay=-0.1)
