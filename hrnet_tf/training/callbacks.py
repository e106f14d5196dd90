"""What happens between epochs: validation, averaged weights, checkpoints, pictures."""

import logging
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.compat import averaged_values, begin_dropout, loss_scale
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.finite import not_finite
from hrnet_tf.common.history import ADVICE, read_history, write_history
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.plots import draw_curves
from hrnet_tf.tasks.base.experiment import Evaluator
from hrnet_tf.training.run import Run
from hrnet_tf.training.states import Better, States
from hrnet_tf.training.waiting import WAITED

logger = logging.getLogger(__name__)

# Of mixed precision: it begins at 32768 and halves with each step that is left out.
SMALLEST_SCALE = 1.0
DRAWING = 0.01  # the largest share of a training's time that curves take


class StaysFinite(keras.callbacks.Callback):
    """Stops a training that has broken down, before anything of it is kept.

    Costs nothing a step: the loss that is looked at has come for the progress bar. With
    mixed precision a step that is not finite is left out, and the loss scale halved;
    only where that goes on for long is the training broken.

    Args:
        run: what is trained.
        states: what is being kept of it.
    """

    def __init__(self, run: Run, states: States):
        super().__init__()
        self.run = run
        self.states = states
        self.epoch = 0
        self._before = np.zeros(0)

    def on_epoch_begin(self, epoch, logs=None):
        """Note where the epoch begins."""
        self.epoch = epoch
        self._before = self._last_weights()

    def on_train_batch_end(self, batch, logs=None):
        """Look at the loss, the mean over the epoch so far."""
        loss = float((logs or {}).get("loss", 0.0))
        if np.isfinite(loss):
            return
        scale = loss_scale(self.model.optimizer)
        if scale is None:
            self._stop(f"the loss is {loss} in step {batch + 1}")
        elif scale <= SMALLEST_SCALE:
            self._stop(
                f"the loss is {loss} until step {batch + 1}, at a loss scale of "
                f"{scale:g}"
            )

    def on_epoch_end(self, epoch, logs=None):
        """Look at what would be kept."""
        if layer := not_finite(network_in(self.model)):
            self._stop(f"weights or statistics of {layer} are not finite")
        loss = float((logs or {}).get("loss", 0.0))
        if not np.isfinite(loss) and np.array_equal(self._last_weights(), self._before):
            self._stop(f"the loss is {loss} in every step")

    def _last_weights(self) -> np.ndarray:
        """What every step changes; optimizers of both lanes count steps otherwise."""
        return tf.convert_to_tensor(self.model.trainable_variables[-1]).numpy()

    def _stop(self, found: str) -> None:
        self.states.wait()
        _, done = self.run.last()
        kept = f"the state after epoch {done} is kept" if done else "nothing is kept"
        best = f", and {self.run.best}" if self.run.best.is_file() else ""
        settings = self.run.config.train
        advice = f"a lower train.learning_rate than {settings.learning_rate:g}"
        if settings.clip_norm is None:
            advice += ", train.clip_norm=1.0"
        if settings.precision != "float32":
            advice += ", train.precision=float32"
        raise InputError(
            f"{self.run.folder}: the training has broken down: {found} of epoch "
            f"{self.epoch + 1}; {kept}{best}. Try {advice}; what the data hold "
            "`hrnet-tf data check` tells."
        )


class Chance(keras.callbacks.Callback):
    """Has dropout begin each epoch from a seed of its own.

    A training that goes on after an interruption draws what it would have drawn.

    Args:
        seed: of the training.
    """

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        """Set the seeds."""
        begin_dropout(self.model, (self.seed, epoch))


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
        if (epoch + 1) % self.every and epoch + 1 < self.params["epochs"]:
            return
        statistics = self.evaluator.evaluate(self.predictor).statistics
        score = statistics[self.evaluator.monitor]
        if not np.isfinite(score):
            raise InputError(
                f"The score {self.monitor} after epoch {epoch + 1} is {score}: nothing "
                "in the validation data counts, or the network's answers are not "
                "finite. `hrnet-tf data check` counts what there is to judge on."
            )
        logs[self.monitor] = score
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


class EpochLog(keras.callbacks.Callback):
    """Writes `history.csv`; epochs count from 1, as in the progress bar.

    Args:
        history: the file; what is in it stays.
        monitor: the validation score, whose cell is empty where nothing was judged.
        states: of the epochs; the history is one epoch ahead of them at most.
    """

    def __init__(self, history: Path, monitor: str, states: States):
        super().__init__()
        self.history, self.monitor, self.states = history, monitor, states
        self.rows: list[dict[str, str]] = []

    def on_train_begin(self, logs=None):
        """Read the rows that are there."""
        self.rows = read_history(self.history) if self.history.is_file() else []

    def on_epoch_end(self, epoch, logs=None):
        """Write all rows and a new one."""
        columns = self.rows[0] if self.rows else {*(logs or {}), self.monitor, WAITED}
        values = {"epoch": epoch + 1, **(logs or {})}
        names = ["epoch", *sorted(name for name in columns if name != "epoch")]
        self.rows.append({name: _cell(values.get(name)) for name in names})
        self.states.wait()
        write_history(self.history, self.rows)


class Board(keras.callbacks.TensorBoard):
    """Writes for TensorBoard; epochs count from 1, as in the progress bar."""

    def on_epoch_end(self, epoch, logs=None):
        """Write losses and metrics."""
        super().on_epoch_end(epoch + 1, logs)


class Curves(keras.callbacks.Callback):
    """Draws `curves.png`, after the last epoch and as often as takes little time.

    Args:
        run: whose history is drawn.
    """

    def __init__(self, run: Run):
        super().__init__()
        self.run = run
        self._next = -np.inf

    def on_epoch_end(self, epoch, logs=None):
        """Draw, if it is time."""
        begin = time.monotonic()
        if begin < self._next and epoch + 1 < self.params["epochs"]:
            return
        draw_curves(self.run.history, self.run.folder / "curves.png")
        end = time.monotonic()
        self._next = end + (end - begin) / DRAWING


def _cell(value: Any) -> str:
    """A number as text; nothing for what is none."""
    return "" if value is None or np.isnan(value) else str(value)


def network_in(training_model: keras.Model) -> keras.Model:
    """The network inside a training model."""
    return training_model.layers[-1]


def forget_epochs(
    history: Path, epochs: int, monitor: str, better: Better = "max"
) -> float:
    """Cut a training history down to its first epochs.

    Returns:
        The best validation score in them; worse than every score if there is none.

    Raises:
        InputError: if it is damaged or ends earlier.
    """
    worst = -np.inf if better == "max" else np.inf
    if not history.exists():
        if epochs:
            logger.warning(
                "%s is not there: whatever is validated next counts as the best so far",
                history,
            )
        return worst
    rows = [row for row in read_history(history) if int(row["epoch"]) <= epochs]
    if not rows:
        history.unlink()
        return worst
    if int(rows[-1]["epoch"]) < epochs:
        raise InputError(
            f"{history} is damaged: it ends with epoch {rows[-1]['epoch']} of "
            f"{epochs}; {ADVICE}."
        )
    write_history(history, rows)
    scores = [float(row.get(monitor) or "nan") for row in rows]
    best = max if better == "max" else min
    return best((score for score in scores if np.isfinite(score)), default=worst)
