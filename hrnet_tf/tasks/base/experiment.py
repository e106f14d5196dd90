"""What training, evaluation and export need of a task."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from hrnet_tf.common.components import create
from hrnet_tf.common.config import Component
from hrnet_tf.data.survey import Survey
from hrnet_tf.images.preprocess import MEAN, STD, ColorOrder
from hrnet_tf.networks.lite_layers import Channels
from hrnet_tf.networks.weighted_losses import WeightedSum


class Evaluation(Protocol):
    """How good predictions are."""

    statistics: dict[str, float]

    def table(self) -> str:
        """The statistics as text."""

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""

    def write_details(self, target: Path) -> None:
        """Write what else there is beside that JSON file."""


class Evaluator(Protocol):
    """Judges predictors on the validation data, as often as one likes.

    Attributes:
        monitor: the statistic that tells the best weights. Higher is better, unless
            there is `better = "min"`.
        name: tells evaluations of one run apart, by their settings.
        manifest: the model's, with the settings of the evaluation.
    """

    monitor: str
    name: str
    manifest: Any

    def __len__(self) -> int:
        """How many samples there are."""

    def evaluate(self, predictor: Any, progress: bool = False) -> Evaluation:
        """Predict everything and compare."""

    def check(self) -> None:
        """Raise an InputError if there is nothing to judge by; reads little."""

    def survey(self) -> Survey:
        """Read everything and count."""

    def samples(self) -> dict[str, np.ndarray]:
        """Network inputs (`crops`, uint8) and a request, to check exports on."""

    def draw(self, predictor: Any) -> np.ndarray:
        """A picture of some predictions, uint8 RGB."""


class TrainingData(Protocol):
    """Where training batches come from."""

    def __len__(self) -> int:
        """How many samples there are."""

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random batches for some epochs of so many steps."""

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here broken data is an InputError."""

    def check(self) -> None:
        """Raise an InputError if there is nothing to learn; reads little."""

    def survey(self) -> Survey:
        """Read everything and count."""

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """A sheet of images of batches with their targets drawn on them, uint8 RGB.

        Targets are NumPy arrays, in the structure of a batch's.
        """


class Experiment(Protocol):
    """One experiment of a task: all that its configuration describes."""

    config: Any
    predictor: Any  # class of the predictors

    def make_manifest(self) -> Any:
        """The facts of the model."""

    def build_network(
        self, manifest: Any, weights: str | None, *, synchronized: bool = False
    ) -> keras.Model:
        """The network, without what surrounds it in training."""

    def training_data(self, manifest: Any) -> TrainingData:
        """The training data."""

    def judged(self, manifest: Any) -> Any:
        """The facts with which the model is judged, without a look at the data."""

    def evaluator(self, manifest: Any) -> Evaluator:
        """Judges by the validation data."""

    def training_model(self, network: keras.Model) -> keras.Model:
        """What is trained: from uint8 images to the network's answers."""

    def compile_settings(self, manifest: Any) -> dict[str, Any]:
        """Loss and metrics."""


def answering(network: keras.Model, name: str) -> keras.Model:
    """The part of a network that answers, without what only helps it to learn.

    Args:
        network: with one output, or several by name.
        name: of the one that answers, as the manifest's `output` has it; all of them
            do if none is called so.
    """
    if not isinstance(network.output, dict) or name not in network.output:
        return network
    return keras.Model(network.input, network.output[name], name=network.name)


def named_loss(component: Component) -> keras.losses.Loss:
    """The loss that `train.loss` names, with one value a sample.

    Keras would not divide a loss that is one number for a batch by the number of
    devices, whose gradients add up.
    """
    return WeightedSum([create(component, "train.loss")], [1.0])


def behind_normalisation(
    network: keras.Model,
    size: tuple[int, int],
    change: Callable[[tf.Tensor], tf.Tensor] | None = None,
    color_order: ColorOrder = "RGB",
) -> keras.Model:
    """Put in front of a network what raw images need.

    Args:
        network: takes normalised images.
        size: height and width of the images.
        change: float images to changed ones, such as other colours.
        color_order: the order of colours that the network takes.

    Returns:
        A model from uint8 images; the network is its last layer.
    """
    crops = keras.Input((*size, 3), dtype="uint8", name="crops")
    x = layers.Rescaling(1.0, dtype="float32", name="as_float")(crops)
    if change is not None:
        x = change(x)
    if color_order == "BGR":
        parts = [
            Channels(color, color + 1, dtype="float32", name=f"color{color}")(x)
            for color in (2, 1, 0)
        ]
        x = layers.Concatenate(dtype="float32", name="as_bgr")(parts)
    variance = [value**2 for value in STD]
    x = layers.Normalization(
        mean=MEAN, variance=variance, dtype="float32", name="normalise"
    )(x)
    # A model inside another must not be compiled: its optimizer would be saved, unused.
    network = keras.Model(network.input, network.output, name=network.name)
    return keras.Model(crops, network(x), name="training")
