"""How long steps wait for data: measured, and said where it is long."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.training import waiting
from hrnet_tf.training.waiting import WAITED, DataWait

STEPS = 6


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def batches(seconds):
    """Endless ones that take so long to make."""

    def make(number):
        time.sleep(seconds)
        return np.ones((1, 2), np.float32)

    def load(number):
        x = tf.ensure_shape(tf.numpy_function(make, [number], tf.float32), (1, 2))
        return x, x[:, :1]

    return tf.data.Dataset.range(10**6).map(load).prefetch(1)


class Slow(keras.callbacks.Callback):
    """Steps that take time: it passes between their beginning and their end."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self.seconds)


class Late(keras.callbacks.Callback):
    """Steps that ask for their batches late, as a graph does that is slow to call."""

    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(0.1)


class Shares(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.found = []

    def on_epoch_end(self, epoch, logs=None):
        self.found.append(logs.get(WAITED))


def shares(model, making, working, steps=STEPS, epochs=2, others=(), **arguments):
    wait, found = DataWait(steps, **arguments), Shares()
    model.fit(
        wait.noted(batches(making)),
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=[Slow(working), wait, *others, found],
        shuffle=False,
        verbose=0,
    )
    return found.found


@pytest.fixture
def advised_at_once(monkeypatch):
    """However short the time is."""
    monkeypatch.setattr(waiting, "SHORT", 0.0)


@pytest.mark.usefixtures("advised_at_once")
def test_waiting_is_a_share_of_the_time_and_said_once(model, caplog):
    # 50 ms of work and 200 ms for a batch, side by side: 150 of 200 are waited for, and
    # a machine that has other things to do changes that little.
    first, second = shares(model, making=0.2, working=0.05, steps=4)
    assert 0.5 < first < 0.95
    assert 0.5 < second < 0.95
    (said,) = ours(caplog)
    assert f"epoch 1 have waited for data {100 * first:.0f} % of their time" in said
    assert "data.cache" not in said


@pytest.mark.usefixtures("advised_at_once")
def test_a_cache_is_advised_where_there_could_be_one(model, caplog):
    shares(model, making=0.02, working=0.0, epochs=1, cache=True)
    assert "What helps: data.cache=FOLDER" in caplog.text


def test_a_short_time_is_not_spoken_of(model, caplog):
    (share,) = shares(model, making=0.02, working=0.0, epochs=1)
    assert share > waiting.MUCH
    assert not ours(caplog)


def test_data_that_are_there_are_not_waited_for(model):
    for share in shares(model, making=0.0, working=0.1, steps=4):
        assert 0 <= share < 0.3


@pytest.mark.usefixtures("advised_at_once")
@pytest.mark.parametrize(
    ("asked", "ready", "share"),
    [
        ((11.0, 12.0), (11.5, 12.5), 0.5),  # each is asked for at once
        ((11.4, 12.4), (11.5, 12.5), 0.1),  # each late, by the call of the step
        ((10.5, 11.0), (11.5, 12.5), 0.5),  # each ahead of its step
        ((10.0, 10.5), (10.5, 11.0), 0.0),  # there before its step
    ],
)
def test_waiting_is_behind_the_step_and_the_asking(asked, ready, share, caplog):
    wait, logs = DataWait(3), {}
    wait.on_epoch_begin(0)
    times = np.zeros(wait._times.shape)
    times[1:3] = np.transpose([asked, ready])
    wait._times.assign(times)
    wait._begun, wait._end = [0.0, 11.0, 12.0], 13.0  # the first does not count
    wait.on_epoch_end(0, logs)
    assert logs[WAITED] == pytest.approx(share)
    assert bool(ours(caplog)) == (share > waiting.MUCH + 1e-6)


def test_what_comes_before_a_batch_is_asked_for_is_no_waiting(model):
    for share in shares(model, making=0.0, working=0.0, steps=4, others=[Late()]):
        assert 0 <= share < 0.3


def ours(caplog):
    """What is said; Keras 2 finds the callback slow."""
    logged = [record for record in caplog.records if record.name.startswith("hrnet_tf")]
    return [record.getMessage() for record in logged]


def test_the_first_step_does_not_count(model):
    assert shares(model, making=0.0, working=0.0, steps=1) == [
        None,
        pytest.approx(0.5, abs=0.5),
    ]


def test_batches_are_the_same(model):
    given = {"a": tf.reshape(tf.range(6.0), (3, 2)), "b": tf.range(3)}
    data = tf.data.Dataset.from_tensor_slices((given, tf.range(3))).batch(1)
    noted = DataWait(3).noted(data)
    assert noted.element_spec == data.element_spec
    assert noted.cardinality() == 3
    for (one, first), (other, second) in zip(data, noted, strict=True):
        for name in given:
            np.testing.assert_array_equal(one[name], other[name])
        assert first == second
