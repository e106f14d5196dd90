"""What is kept of a training after each epoch: written beside it, not in its way."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from hrnet_tf.common.arrays import write_arrays
from hrnet_tf.common.compat import legacy_state
from hrnet_tf.common.files import naming
from hrnet_tf.training.keras_files import KerasFile
from hrnet_tf.training.run import Run

Better = Literal["max", "min"]  # which of two scores


class States:
    """Writes files of models in a thread, those of one epoch after those of another.

    Files get their names once they are whole, and the state of an epoch comes last: a
    kill leaves the state of the epoch before, with which everything else is made again.

    A context manager, which ends when all is written, however the training ends. What
    fails in the thread is raised by `check`, `wait` and that end.

    Args:
        run: what is trained.
    """

    def __init__(self, run: Run):
        self.run = run
        self._copies: dict[Path, Callable[[], None]] = {}
        self._pool = ThreadPoolExecutor(1, "states")
        self._work: Future[None] | None = None

    def __enter__(self) -> "States":
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.wait()
        finally:
            self._pool.shutdown()

    def take(self, path: Path, file: KerasFile) -> None:
        """Copy a model, for the next `write`."""
        with naming(path):
            self._copies[path] = file.copy(_partial(path))

    def write(self, state: Path, legacy: dict[str, np.ndarray] | None) -> None:
        """Begin to write what was taken, and drop states of before.

        Args:
            state: the last that was taken.
            legacy: what `legacy_state` has found.
        """
        self.wait()
        copies, self._copies = self._copies, {}
        self._work = self._pool.submit(self._write, copies, state, legacy)

    def wait(self) -> None:
        """Return when all is written that is being written."""
        if self._work is not None:
            self._work.result()

    def check(self) -> None:
        """Raise what has failed so far."""
        if self._work is not None and self._work.done():
            self.wait()

    def _write(self, copies, state, legacy):
        if legacy is not None:
            write_arrays(state.with_suffix(".npz"), legacy)
        for path, write in copies.items():
            with naming(path):
                write()
                _partial(path).replace(path)
        for old in self.run.checkpoints.glob("epoch_*"):
            if old.stem != state.stem:
                old.unlink()


class BestNetwork(keras.callbacks.Callback):
    """Keeps the network inside the training model whenever validation was best.

    Args:
        states: where to.
        network: what is kept.
        monitor: the score; an epoch without one is not looked at.
        best_so_far: of epochs before.
        better: whether the highest or the lowest one is best.
    """

    def __init__(
        self,
        states: States,
        network: keras.Model,
        monitor: str,
        best_so_far: float,
        better: Better,
    ):
        super().__init__()
        self.states = states
        self.file = KerasFile(network)
        self.monitor = monitor
        self.best = best_so_far
        self._is_better = np.greater if better == "max" else np.less

    def on_epoch_end(self, epoch, logs=None):
        """Copy the network, if this epoch was judged and is the best."""
        score = (logs or {}).get(self.monitor)
        if score is not None and self._is_better(score, self.best):
            self.best = score
            self.states.take(self.states.run.best, self.file)


class WholeState(keras.callbacks.Callback):
    """Keeps all that a training needs to go on, of the newest epoch.

    List it last: what stands before is there when a state is.
    """

    def __init__(self, states: States):
        super().__init__()
        self.states = states

    def set_model(self, model):
        """Have the model saved that is trained."""
        super().set_model(model)
        self.file = KerasFile(model)

    def on_train_batch_end(self, batch, logs=None):
        """End a training whose states cannot be written."""
        self.states.check()

    def on_epoch_end(self, epoch, logs=None):
        """Copy the state, and begin to write."""
        state = self.states.run.state_file(epoch + 1)
        self.states.take(state, self.file)
        self.states.write(state, legacy_state(self.model))


def _partial(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_suffix(f".partial{path.suffix}")
