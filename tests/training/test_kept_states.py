"""What is kept of a training is written beside it, whole, or its failure is said."""

import errno
import os
import threading
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.compat import (
    KERAS_3,
    build_optimizer,
    own_variables,
    scale_losses,
)
from hrnet_tf.networks.accumulation import Accumulated
from hrnet_tf.training.keras_files import KerasFile
from hrnet_tf.training.run import Run
from hrnet_tf.training.states import States
from hrnet_tf.training.train import train

WEIGHTS = "model.weights.h5"
SHORT = ("train.epochs=3", "train.steps_per_epoch=2", "train.batch_size=2")


def adam(**arguments):
    return keras.optimizers.Adam(0.01, **arguments)


def schedule():
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10))


OPTIMIZERS = {
    "Adam": adam,
    "averaged weights": lambda: adam(use_ema=True, ema_momentum=0.9),
    "a schedule": schedule,
    "mixed precision": lambda: scale_losses(adam()),
    "accumulated": lambda: scale_losses(Accumulated(adam(), 2)),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
}
if not KERAS_3:
    import tensorflow_addons as tfa

    OPTIMIZERS["addons"] = lambda: Accumulated(tfa.optimizers.LAMB(), 2)


def make_model(optimizer=None, last=None):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(3)(inputs))
    network = keras.Model(inputs, (last or keras.layers.Dense(1))(x))
    crops = keras.Input((4,))
    model = keras.Model(crops, network(keras.layers.Rescaling(2.0)(crops)))
    model.compile(optimizer or adam(), "mse", metrics=["mae"])
    build_optimizer(model)
    return model


def learn(model):
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    model.fit(x, x[:, :1], batch_size=4, verbose=0)


def members(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    del found["metadata.json"]  # the time
    return found


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_copy_is_written_as_keras_saves(optimizer, tmp_path, eagerly):
    model = make_model(optimizer())
    file = KerasFile(model)
    for number in range(3):
        learn(model)
        mine, theirs = tmp_path / f"{number}.keras", tmp_path / "theirs.keras"
        write = file.copy(mine)
        model.save(theirs)
        learn(model)  # changes what was copied no more
        write()
        assert members(mine) == members(theirs)
    loaded = keras.models.load_model(mine)
    assert int(loaded.optimizer.iterations) > 0


def test_a_copy_stays_while_compiled_steps_go_on(tmp_path):
    model = make_model()
    file = KerasFile(model)
    learn(model)
    file.copy(tmp_path / "first.keras")
    write = file.copy(tmp_path / "mine.keras")
    model.save(tmp_path / "theirs.keras")
    learn(model)
    write()
    assert members(tmp_path / "mine.keras") == members(tmp_path / "theirs.keras")


def test_finding_places_changes_nothing(tmp_path, eagerly):
    model, other = make_model(), make_model()
    learn(model)
    learn(other)
    KerasFile(model).copy(tmp_path / "a.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["a.keras"]
    for mine, theirs in zip(own_variables(model), own_variables(other), strict=True):
        np.testing.assert_array_equal(*map(tf.convert_to_tensor, (mine, theirs)))
    learn(model)
    learn(other)
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@keras.saving.register_keras_serializable("states")
class Doubled(keras.layers.Layer):
    """Writes another number than its variable's."""

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

    def call(self, x):
        return self.scale * x

    def save_own_variables(self, store):
        store["0"] = 2.0 * np.asarray(tf.convert_to_tensor(self.scale))

    def load_own_variables(self, store):
        self.scale.assign(0.5 * np.asarray(store["0"]))


def test_what_is_no_variable_is_left_to_keras(tmp_path, eagerly, caplog):
    caplog.set_level("INFO", "hrnet_tf")
    model = make_model(last=Doubled())
    file = KerasFile(model)
    for name in ("mine", "again"):
        learn(model)
        path = tmp_path / f"{name}.partial.keras"
        write = file.copy(path)
        model.save(tmp_path / "theirs.keras")
        write()
        assert members(path) == members(tmp_path / "theirs.keras")
    assert caplog.text.count("holds more than variables: Keras saves it") == 1
    assert "mine.keras holds" in caplog.text


class Held:
    """A file that is written when it is allowed to, or fails."""

    def __init__(self, error=None):
        self.allowed = threading.Event()
        self.error = error

    def copy(self, path):
        def write():
            path.write_bytes(b"half")
            self.allowed.wait(10)
            if self.error:
                raise self.error
            path.write_bytes(b"whole")

        return write


@pytest.fixture
def run(configured):
    run = Run.prepare(configured())
    run.checkpoints.mkdir(parents=True)
    return run


def test_a_state_has_its_name_when_it_is_whole_and_after_the_best_network(run):
    best, state = Held(), Held()
    run.state_file(1).write_bytes(b"before")
    with States(run) as states:
        states.take(run.best, best)
        states.take(run.state_file(2), state)
        states.write(run.state_file(2), None)
        states.check()
        assert not run.best.exists()
        best.allowed.set()
        while not run.best.exists():
            pass
        assert run.last()[1] == 1
        state.allowed.set()
    assert {path.name: path.read_bytes() for path in run.checkpoints.iterdir()} == {
        "best.keras": b"whole",
        "epoch_0002.keras": b"whole",
    }


def test_what_was_taken_is_written_though_a_training_fails(run):
    with pytest.raises(KeyboardInterrupt):
        keep(run, Held(), KeyboardInterrupt())
    assert run.last()[1] == 1


def keep(run, file, failure=None):
    """Keep a state, while the training goes on, or fails."""
    with States(run) as states:
        states.take(run.state_file(1), file)
        states.write(run.state_file(1), None)
        threading.Timer(0.05, file.allowed.set).start()
        if failure:
            raise failure


def test_a_full_disk_is_named(run):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="No space") as caught:
        keep(run, Held(full))
    assert caught.value.filename == str(run.state_file(1))
    assert run.last() == (None, 0)


def test_a_disk_that_fills_up_ends_the_training_and_leaves_the_state_before(
    configured, eagerly, shallow, monkeypatch
):
    write = KerasFile._write

    def fill_up(self, path, values):
        if path.name.startswith("epoch_0002"):
            with open(path, "wb") as file:
                file.write(b"half")
            raise OSError(errno.ENOSPC, "full")
        write(self, path, values)

    monkeypatch.setattr(KerasFile, "_write", fill_up)
    with pytest.raises(OSError, match="full") as caught:
        train(configured(*SHORT))
    run = Run.open(configured().output)
    assert caught.value.filename == str(run.state_file(2))
    assert run.last()[1] == 1
    assert not any("partial" in path.name for path in run.checkpoints.iterdir())


def test_what_a_killed_training_left_gives_way(configured, eagerly, shallow):
    run = train(configured(*SHORT, "train.epochs=1", "train.drop_at=[]"))
    (run.checkpoints / "best.partial.keras").write_bytes(b"half")
    scratch = run.checkpoints / ".writing_x"
    scratch.mkdir()
    (scratch / "epoch_0002.npz").write_bytes(b"half")
    longer = train(configured(*SHORT, "train.epochs=2", "train.drop_at=[]"))
    assert {path.name for path in longer.checkpoints.iterdir()} == {
        "best.keras",
        "epoch_0002.keras",
    }
    assert keras.models.load_model(longer.best) is not None
