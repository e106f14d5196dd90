"""What experiments with an answer for every pixel share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.data.survey import Survey
from hrnet_tf.networks.building import build_network
from hrnet_tf.networks.layers import Upsampling, aligns_corners, dense_rule
from hrnet_tf.tasks.base.experiment import behind_normalisation
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.dense.config import DenseModel, DenseSection
from hrnet_tf.tasks.dense.evaluator import judged_pixels
from hrnet_tf.tasks.dense.manifest import Views
from hrnet_tf.tasks.dense.pipeline import PairReader, training_pairs


class DenseExperiment:
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    constructor: Callable[..., keras.Model]

    def __init__(self, config: Any):
        self.config = config

    @property
    def rule(self) -> Upsampling:
        """How the network's map is brought to the size of the image."""
        return dense_rule(self.config.model.upsampling)

    @property
    def align_corners(self) -> bool:
        """Whether that rule aligns corners."""
        return aligns_corners(self.rule)

    def facts(self) -> dict[str, Any]:
        """What the manifests of all these tasks say."""
        model: DenseModel = self.config.model
        data: DenseSection = self.config.data
        return {
            "model": model.title,
            "input": ImageInput(
                *model.size, any_size=True, orientation=data.orientation
            ),
            # What was learnt at one size is to be looked at in that size.
            "views": Views(data.short_side, not data.keep_aspect),
            "versions": versions(),
        }

    def judged(self, manifest: Any) -> Any:
        """Views as the configuration has them."""
        return judged_pixels(manifest, self.config.data, self.config.evaluate)

    def network(
        self, outputs: int, weights: str | None, *, synchronized: bool
    ) -> keras.Model:
        """The network on normalised images of any size.

        Args:
            outputs: numbers a cell.
            weights: of the whole network; None: those of the configuration's body.
            synchronized: whether batch norm shares its statistics between devices.
        """
        section = self.config.model.beginning_with(weights)
        return build_network(
            self.constructor,
            section,
            outputs,
            synchronized=synchronized,
            input_shape=(None, None, 3),
            **section.head,
        )

    def training_model(self, network: keras.Model) -> keras.Model:
        """From uint8 images to the network's answers."""
        return behind_normalisation(network, self.config.model.size)


class PairTrainingData(ABC):
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def __init__(self, config: Any, reader: PairReader):
        self.config = config
        self.reader: Any = reader

    def __len__(self) -> int:
        return len(self.reader.images)

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random crops and their targets."""
        config = self.config
        return training_pairs(
            self.reader,
            config.model.size,
            config.data,
            epochs,
            steps,
            config.train.batch_size,
            config.seed,
        )

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here a broken sample is an InputError."""
        return self.reader.broken.explained()

    @abstractmethod
    def check(self) -> None:
        """Raise an InputError if there is nothing to learn; reads little."""

    @abstractmethod
    def survey(self) -> Survey:
        """Read everything and count."""

    @abstractmethod
    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """A sheet of images with their targets drawn on them, uint8 RGB."""
