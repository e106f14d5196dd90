"""What happens between epochs: validation, averaged weights, checkpoints, pictures."""

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.compat import averaged_values, save_legacy_optimizer
from hrnet_tf.experiments.base import Evaluator
from hrnet_tf.history import read_history
from hrnet_tf.run import Run
from hrnet_tf.visualize import draw_curves, write_image


class Validation(keras.callbacks.Callback):
    """Adds the score on the validation data to the logs, and draws some predictions.

    Args:
        evaluator: judges the network.
        predictor: follows the network's variables.
        folder: where `overlays/` and `logs/overlays/` (TensorBoard) go.
        every: epochs between validations.
        monitor: what the score is called in the logs.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        predictor: Any,
        folder: Path,
        every: int,
        monitor: str,
    ):
        super().__init__()
        self.evaluator = evaluator
        self.predictor = predictor
        self.folder = folder
        self.every = every
        self.monitor = monitor

    def on_epoch_end(self, epoch, logs=None):
        """Judge, if it is time; an epoch without a judgement has no number."""
        logs[self.monitor] = float("nan")
        if (epoch + 1) % self.every and epoch + 1 < self.params["epochs"]:
            return
        statistics = self.evaluator.evaluate(self.predictor).statistics
        logs[self.monitor] = statistics[self.evaluator.monitor]
        sheet = self.evaluator.draw(self.predictor)
        write_image(self.folder / "overlays" / f"epoch_{epoch + 1:04d}.jpg", sheet)
        with tf.summary.create_file_writer(
            str(self.folder / "logs" / "overlays")
        ).as_default():
            tf.summary.image("predictions", sheet[None], step=epoch + 1)


class AveragedWeights(keras.callbacks.Callback):
    """Exchanges the weights with their moving averages at the end of an epoch.

    List it twice: what stands between sees the averages.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Exchange, back or forth."""
        for variable, average in averaged_values(self.model):
            value = tf.identity(variable)
            variable.assign(average)
            average.assign(value)


class BestNetwork(keras.callbacks.ModelCheckpoint):
    """Keeps the network inside the training model whenever validation was best."""

    def __init__(self, run: Run, monitor: str, best_so_far: float):
        super().__init__(
            str(run.best.with_suffix(".partial.keras")),
            monitor=monitor,
            mode="max",
            save_best_only=True,
            initial_value_threshold=best_so_far,
        )

    def set_model(self, model):
        """Save the network, not what surrounds it in training."""
        super().set_model(network_in(model))


class EpochLog(keras.callbacks.CSVLogger):
    """Writes `history.csv`; epochs count from 1, as in the progress bar."""

    def on_epoch_end(self, epoch, logs=None):
        """Write a row."""
        super().on_epoch_end(epoch + 1, logs)


class Board(keras.callbacks.TensorBoard):
    """Writes for TensorBoard; epochs count from 1, as in the progress bar."""

    def on_epoch_end(self, epoch, logs=None):
        """Write losses and metrics."""
        super().on_epoch_end(epoch + 1, logs)


class Publish(keras.callbacks.Callback):
    """Gives finished checkpoints their names, drops outdated ones, draws the curves.

    Checkpoints are written under other names first, so that a kill leaves no half of
    one.
    """

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):
        """Rename what was written."""
        state = self.run.state_file(epoch + 1)
        save_legacy_optimizer(self.model, state.with_suffix(".npz"))
        for partial in self.run.checkpoints.glob("*.partial.keras"):
            partial.replace(partial.with_name(partial.name.replace(".partial", "")))
        for old in self.run.checkpoints.glob("epoch_*"):
            if old.stem != state.stem:
                old.unlink()
        draw_curves(self.run.history, self.run.folder / "curves.png")


def network_in(training_model: keras.Model) -> keras.Model:
    """The network inside a training model."""
    return training_model.layers[-1]


def forget_epochs(history: Path, epochs: int, monitor: str) -> float:
    """Cut a training history down to its first epochs.

    Returns:
        The best validation score in them; below every score if there is none.
    """
    if not history.is_file():
        return -np.inf
    rows = [row for row in read_history(history) if int(row["epoch"]) <= epochs]
    if not rows:
        history.unlink()
        return -np.inf
    with open(history, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    scores = [float(row[monitor] or "nan") for row in rows]
    return max((score for score in scores if np.isfinite(score)), default=-np.inf)
