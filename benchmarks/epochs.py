"""Epochs whose state is kept against epochs without it.

The network is that of `configs/segmentation/demo.yaml` with Adam, on 8 crops of 128
pixels that lie in memory. An epoch takes some 20 seconds and ends, as in `hrnet-tf
train`, with the whole state and, as if it were the best one, the network. Epochs of
both sorts take turns in one training. One that counts begins while the state of the
one before is being written, and ends when the next may begin; the first of each turn
does not count, nor does the first one of all, in which Keras saves once more.
"""

import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
from benchmarks.report import Result
from benchmarks.training import CROPS
from hrnet_tf.common.compat import build_optimizer
from hrnet_tf.tasks.base.experiment import behind_normalisation
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.run import Run
from hrnet_tf.training.states import BestNetwork, States, WholeState

TARGET = 0.97  # at most 3 % of an epoch
SECONDS = 20.0  # of an epoch
TURNS = 2
COUNTED = 2  # epochs of each sort and turn
SCORE = "val_score"
KEPT, PLAIN = "state and best network kept", "nothing kept"
CONFIG = "configs/segmentation/demo.yaml"


class Clock(keras.callbacks.Callback):
    """Measures epochs of both sorts in turns, and says whether one is kept."""

    def __init__(self, states: States):
        super().__init__()
        self.states = states
        turn = [(KEPT, False), *COUNTED * [(KEPT, True)], *COUNTED * [(PLAIN, True)]]
        self.order = [(KEPT, False), *TURNS * turn]
        self.times: dict[str, list[float]] = {KEPT: [], PLAIN: []}
        self._begin = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Begin to measure."""
        if epoch:
            self._note(epoch - 1)
        if self.order[epoch][0] == PLAIN:
            self.states.wait()
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Have the network kept, too, by a score that is better each time."""
        if self.order[epoch][0] == KEPT:
            logs[SCORE] = float(epoch)

    def on_train_end(self, logs=None):
        """End the last one."""
        self._note(len(self.order) - 1)

    def _note(self, epoch: int) -> None:
        sort, counts = self.order[epoch]
        if counts:
            self.times[sort].append(time.perf_counter() - self._begin)


class KeptAtTimes(WholeState):
    """Keeps the state of those epochs alone that have a score."""

    def on_epoch_end(self, epoch, logs=None):
        """Keep it, or not."""
        if SCORE in (logs or {}):
            super().on_epoch_end(epoch, logs)


def run() -> list[Result]:
    """The quickest epoch of each sort: what else the machine does only adds."""
    model = make_model()
    data = make_batches()
    model.fit(data, steps_per_epoch=2, shuffle=False, verbose=0)  # traces
    begin = time.perf_counter()
    model.fit(data, steps_per_epoch=5, shuffle=False, verbose=0)
    steps = max(1, round(SECONDS / (time.perf_counter() - begin) * 5))
    with tempfile.TemporaryDirectory() as folder:
        kept = Run(Path(folder), read_config(CONFIG))
        kept.checkpoints.mkdir()
        with States(kept) as states:
            clock = Clock(states)
            network = model.layers[-1]
            best = BestNetwork(states, network, SCORE, -np.inf, "max")
            model.fit(
                data,
                steps_per_epoch=steps,
                epochs=len(clock.order),
                shuffle=False,
                verbose=0,
                callbacks=[clock, best, KeptAtTimes(states)],
            )
    times = {sort: min(found) for sort, found in clock.times.items()}
    title = f"an epoch of {steps} steps, {model.count_params() / 1e6:.1f} M weights"
    return [Result(title, times, "s", times[PLAIN] / times[KEPT], TARGET)]


def make_model() -> keras.Model:
    """A model as it is trained."""
    keras.utils.set_random_seed(0)
    network = hrnet_tf.HRNetV2(
        "18_small_v1",
        classes=4,
        blocks=1,
        stem=((32, 2), (32, 2)),
        features=64,
        input_shape=(*CROPS[1:], 3),
    )
    model = behind_normalisation(network, CROPS[1:])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss)
    build_optimizer(model)
    return model


def make_batches() -> tf.data.Dataset:
    """The same batch for ever."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (*CROPS, 3), np.uint8)
    labels = rng.integers(0, 4, (CROPS[0], CROPS[1] // 4, CROPS[2] // 4))
    return tf.data.Dataset.from_tensors((images, labels)).repeat()
