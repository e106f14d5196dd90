"""A run's folder: what training leaves behind and everything else starts from."""

import contextlib
import dataclasses
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from hrnet_tf.common.arrays import read_arrays
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import is_scratch
from hrnet_tf.common.finite import not_finite
from hrnet_tf.common.typed_yaml import differences, write_config
from hrnet_tf.tasks import make_experiment, read_manifest
from hrnet_tf.tasks.base.experiment import answering
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.training.configs import Config, read_run_config

logger = logging.getLogger(__name__)

EPOCHS = "train.epochs: "
# Optimizers that take the same steps and have the same state.
ALIKE = {
    f"keras.optimizers.{name}": f"hrnet_tf.optimizers.{name}"
    for name in ("Adam", "AdamW", "SGD")
}
SAMPLES_ADVICE = "copy it from where the run was trained, or train again"


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder with one experiment.

    Attributes:
        folder: where everything lies.
        config: what the experiment is.

    Example:
        ```python
        run = Run.open("saved_models/demo")
        model = run.model()
        ```
    """

    folder: Path
    config: Config

    @classmethod
    def open(cls, folder: str | Path, overrides: tuple[str, ...] = ()) -> "Run":
        """Open a run that training has made.

        Raises:
            InputError: if the folder holds none.
        """
        config = read_run_config(folder, overrides)
        if overrides:
            of_training = read_run_config(folder)
            for change in differences(of_training.model, config.model):
                logger.warning(
                    "model.%s: without effect, the model is that which was trained",
                    change,
                )
        return cls(Path(folder), config)

    @classmethod
    def prepare(cls, config: Config) -> "Run":
        """A new run, or the same one, interrupted; nothing is written yet.

        Raises:
            InputError: if the folder holds something else.
        """
        run = cls(Path(config.output), config)
        last, done = run.last()
        if last is not None:
            run._check_same(cls.open(run.folder).config, done)
        elif (
            run.folder.exists()
            and any(entry.name[0] != "." for entry in run.folder.iterdir())
            and not (run.settings.is_file() or run._was_about_to_begin())
        ):
            raise InputError(
                f"{run.folder} is not empty and no run; choose another output=FOLDER."
            )
        return run

    def _was_about_to_begin(self) -> bool:
        """Whether nothing is there but what `create` makes before the settings."""
        made = (self.checkpoints, self.manifest)
        return (
            self.checkpoints.is_dir()
            and not any(self.checkpoints.iterdir())
            and all(
                path in made or path.name[0] == "." for path in self.folder.iterdir()
            )
        )

    def _check_same(self, old: Config, done: int) -> None:
        """Raise an InputError unless the run can go on under these settings."""
        new = dataclasses.replace(self.config, output=old.output)
        changes = differences(_by_our_optimizer(old), _by_our_optimizer(new))
        if not changes:
            return
        others = [change for change in changes if not change.startswith(EPOCHS)]
        if not others and new.train.epochs >= done and new.train.schedule == "step":
            return
        elsewhere = (
            f"a new output=FOLDER and model.weights={self.best} begin from its network"
        )
        if others:
            raise InputError(
                f"{self.folder} holds a run with other settings "
                f"({'; '.join(changes)}). Choose another folder with output=FOLDER, or "
                f"repeat the old settings to go on; {elsewhere}."
            )
        if new.train.epochs < done:
            raise InputError(
                f"{self.folder} has {done} epochs behind it already, more than "
                f"train.epochs={new.train.epochs}; leave the number as it was."
            )
        raise InputError(
            f"{self.folder}: a training of {old.train.epochs} epochs cannot become one "
            f"of {new.train.epochs}, as the learning rate of the schedule "
            f"{new.train.schedule} follows from their number; {elsewhere}."
        )

    def create(self, manifest: TaskManifest) -> None:
        """Make the folder, with the configuration and the manifest."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        manifest.write(self.manifest)
        write_config(self.config, self.settings)  # only now is it a run

    @property
    def settings(self) -> Path:
        """The configuration, with all defaults."""
        return self.folder / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        """Folder of the weights."""
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        """The network with the highest validation score."""
        return self.checkpoints / "best.keras"

    @property
    def manifest(self) -> Path:
        """The model's facts, JSON."""
        return self.folder / "manifest.json"

    @property
    def history(self) -> Path:
        """Losses and metrics of every epoch, CSV."""
        return self.folder / "history.csv"

    @property
    def samples(self) -> Path:
        """Crops and an image that exports are checked on."""
        return self.folder / "samples.npz"

    def state_file(self, epochs: int) -> Path:
        """The whole state of the training after so many epochs."""
        return self.checkpoints / f"epoch_{epochs:04d}.keras"

    def last(self) -> tuple[Path | None, int]:
        """The newest state of the training, and how many epochs it has behind it."""
        found = sorted(self.checkpoints.glob("epoch_[0-9]*[0-9].keras"))
        return (found[-1], int(found[-1].stem.split("_")[1])) if found else (None, 0)

    @contextlib.contextmanager
    def no_partial_files(self) -> Iterator[None]:
        """Leave no checkpoint that is not whole, however this ends.

        What a training has left that was killed goes first: files that shall be
        written need the room.
        """
        self._remove_partial_files()
        try:
            yield
        finally:
            self._remove_partial_files()

    def _remove_partial_files(self) -> None:
        for path in list(self.checkpoints.iterdir()):
            if is_scratch(path):
                shutil.rmtree(path, ignore_errors=True)
            elif ".partial" in path.suffixes:
                path.unlink(missing_ok=True)

    def read_samples(self) -> dict[str, np.ndarray]:
        """What `samples` holds.

        Raises:
            InputError: if the file is missing or damaged.
        """
        found = read_arrays(self.samples, ("crops", "image_bytes"), SAMPLES_ADVICE)
        crops = found["crops"]
        if crops.dtype != np.uint8 or crops.ndim != 4 or not len(crops):
            raise InputError(
                f"{self.samples} is damaged (`crops` must be uint8 images, got "
                f"{crops.dtype} {crops.shape}); {SAMPLES_ADVICE}."
            )
        return found

    def model(self) -> keras.Model:
        """The trained network, best weights, float32; it takes normalised images.

        Raises:
            InputError: if there are no weights yet, or they are not finite.
        """
        if not self.best.is_file():
            raise InputError(
                f"{self.folder} has no trained weights yet: {self.best.name} is "
                "written after the first validation. Start the training again to go "
                "on."
            )
        manifest = read_manifest(self.manifest)
        experiment = make_experiment(self.config)
        network = experiment.build_network(manifest, str(self.best))
        network = answering(network, manifest.output.name)
        if layer := not_finite(network):
            raise InputError(
                f"{self.best} is of a training that has broken down: weights or "
                f"statistics of {layer} are not finite. Train again, with a lower "
                "train.learning_rate or train.clip_norm=1.0."
            )
        return network


def _by_our_optimizer(config: Config) -> Config:
    """The same with an optimizer of Keras by the name of ours that takes its steps."""
    optimizer = config.train.optimizer
    path = ALIKE.get(optimizer.class_path, optimizer.class_path)
    ours = dataclasses.replace(optimizer, class_path=path)
    train = dataclasses.replace(config.train, optimizer=ours)
    return dataclasses.replace(config, train=train)
