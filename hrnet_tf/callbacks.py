"""What happens between epochs: validation, averaged weights, checkpoints, pictures."""

import csv
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.compat import averaged_values, save_legacy_optimizer
from hrnet_tf.data.augment import plain_crops
from hrnet_tf.evaluate import Evaluator
from hrnet_tf.predict import PosePredictor
from hrnet_tf.results import Pose
from hrnet_tf.run import Run
from hrnet_tf.visualize import contact_sheet, draw_curves, draw_pose, write_image

MONITOR = "val_AP"


class Validation(keras.callbacks.Callback):
    """Adds COCO's AP of the validation people to the logs, and draws some of them.

    Args:
        evaluator: judges the network.
        predictor: follows the network's variables.
        folder: where `overlays/` and `logs/overlays/` (TensorBoard) go.
        every: epochs between validations.
    """

    SHOWN = 16

    def __init__(
        self, evaluator: Evaluator, predictor: PosePredictor, folder: Path, every: int
    ):
        super().__init__()
        self.evaluator = evaluator
        self.predictor = predictor
        self.folder = folder
        self.every = every
        self.crops = sample_crops(evaluator, self.SHOWN)

    def on_epoch_end(self, epoch, logs=None):
        """Judge, if it is time; an epoch without a judgement has no number."""
        logs[MONITOR] = float("nan")
        if (epoch + 1) % self.every and epoch + 1 < self.params["epochs"]:
            return
        logs[MONITOR] = self.evaluator.evaluate(self.predictor).statistics["AP"]
        sheet = self.draw()
        write_image(self.folder / "overlays" / f"epoch_{epoch + 1:04d}.jpg", sheet)
        with tf.summary.create_file_writer(
            str(self.folder / "logs" / "overlays")
        ).as_default():
            tf.summary.image("people", sheet[None], step=epoch)

    def draw(self) -> np.ndarray:
        """The sample crops with what the network finds in them, uint8 RGB."""
        manifest = self.evaluator.manifest
        cells, scores = self.predictor.locate(self.crops)
        height, width = manifest.input.size
        box = np.array([[0, 0, width, height]], np.float32)
        pictures = []
        for crop, points, values in zip(self.crops, cells, scores, strict=True):
            points = points[None] * manifest.output.stride
            pose = Pose(
                points, values[None], box, np.ones(1, np.float32), manifest.keypoints
            )
            pictures.append(draw_pose(crop, pose))
        return contact_sheet(pictures, columns=8)


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

    def __init__(self, run: Run, best_so_far: float):
        super().__init__(
            str(run.best.with_suffix(".partial.keras")),
            monitor=MONITOR,
            mode="max",
            save_best_only=True,
            initial_value_threshold=best_so_far,
        )

    def set_model(self, model):
        """Save the network, not what surrounds it in training."""
        super().set_model(network_in(model))


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


def sample_crops(evaluator: Evaluator, count: int) -> np.ndarray:
    """Crops of people all over the validation data, uint8 `(n, height, width, 3)`."""
    people = evaluator.people
    chosen = np.unique(np.linspace(0, len(people) - 1, count).astype(int))
    matrices = plain_crops(people.take(chosen), evaluator.geometry)
    return np.stack(
        [evaluator.reader.read(i, m)[0] for i, m in zip(chosen, matrices, strict=True)]
    )


def forget_epochs(history: Path, epochs: int) -> float:
    """Cut a training history down to its first epochs.

    Returns:
        The best validation score in them; below every score if there is none.
    """
    if not history.is_file():
        return -np.inf
    with open(history, newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < epochs]
    if not rows:
        history.unlink()
        return -np.inf
    with open(history, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    scores = [float(row[MONITOR] or "nan") for row in rows]
    return max((score for score in scores if np.isfinite(score)), default=-np.inf)
