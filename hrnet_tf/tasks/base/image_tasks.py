"""What tasks share that answer about an image as a whole: a task of one's own is short.

The network looks at the middle of an image, as large as it can be at the aspect ratio
of its input (`central_crop`, a share of 1), in training and ever after.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.config import FilesSection, positive
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.images.preprocess import central_crop_of
from hrnet_tf.images.sheets import Tile, contact_sheet
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.experiment import behind_normalisation
from hrnet_tf.tasks.base.image_files import ImageFiles
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.base.predictor import Predictor

SAMPLES = 8  # that exports are checked on
SHOWN = 24  # images in a picture


@dataclass(frozen=True)
class ImageFolder(FilesSection):
    """Where images come from: the `data` of a configuration."""

    root: str = "???"  # a folder; what is in it, the task says
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken images


@dataclass(frozen=True)
class ImageEvaluate:
    """How predictions are judged: the `evaluate` of a configuration."""

    batch_size: int = 32

    def __post_init__(self):
        positive("evaluate.batch_size", self.batch_size)


class ImagePredictor(Predictor):
    """Answers about whole images."""

    def predict(self, image: ImageSource) -> Any:
        """What the network answers about one image, decoded.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size; or a path or an
                address, see `hrnet_tf.open_image`.

        Raises:
            InputError: if the image has another shape or type.
        """
        crop = central_crop_of(self.opened(image), self.manifest.input.size, 1.0)
        return tf.nest.map_structure(lambda answer: answer[0], self.answer(crop[None]))


@dataclass(frozen=True)
class ImageEvaluation:
    """How good predictions are; see `hrnet_tf.tasks.base.experiment.Evaluation`.

    Attributes:
        statistics: by name.
        images: how many were looked at.
        skipped: how many of them could not be read.
    """

    statistics: dict[str, float]
    images: int
    skipped: int

    def table(self) -> str:
        """The statistics as text."""
        wide = max(len(name) for name in self.statistics)
        lines = [f"{name:<{wide}} {x:10.4f}" for name, x in self.statistics.items()]
        return "\n".join([*lines, f"{self.images} images, {self.skipped} skipped"])

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "images": self.images,
            "skipped": self.skipped,
        }

    def write_details(self, target: Path) -> None:
        """There is nothing else to write."""


class ImageEvaluator:
    """Judges predictors on image files; see `hrnet_tf.tasks.base.experiment.Evaluator`.

    Args:
        data: what to judge on.
        manifest: the model's facts.
        judge: answers and targets, a row an image, to statistics by name.
        monitor: the statistic that tells the best weights; higher is better.
    """

    name = "validation"

    def __init__(
        self,
        data: ImageFiles,
        manifest: Any,
        judge: Callable[[np.ndarray, np.ndarray], dict[str, float]],
        monitor: str,
    ):
        self.data, self.manifest = data, manifest
        self.judge, self.monitor = judge, monitor

    def __len__(self) -> int:
        return len(self.data)

    def evaluate(self, predictor: Predictor, progress: bool = False) -> ImageEvaluation:
        """Look at every image and compare.

        Raises:
            InputError: if an image is broken and `data.on_error` is `"stop"`, or all
                are.
        """
        size, rows = self.data.config.evaluate.batch_size, np.arange(len(self))
        found, kept = [], []
        for start in progress_bar(
            range(0, len(self), size), unit="batch", shown=progress
        ):
            chosen = rows[start : start + size]
            crops, weights = self.data.read(chosen)
            found.append(np.asarray(predictor.answer(crops))[weights > 0])
            kept.append(chosen[weights > 0])
        readable = np.concatenate(kept)
        if not len(readable):
            refuse(self.data.where, unreadable(len(self), self.data.broken))
        judged = self.judge(np.concatenate(found), self.data.targets[readable])
        return ImageEvaluation(judged, len(self), len(self) - len(readable))

    def check(self) -> None:
        """Raise an InputError if no image can be read."""
        self.data.check()

    def survey(self) -> Survey:
        """Read every image."""
        return self.data.survey()

    def samples(self) -> dict[str, np.ndarray]:
        """Some images, and the file of one, to check exports on."""
        rows, crops = self._readable(SAMPLES)
        encoded = self.data.files[rows[0]].read_bytes()
        return {"crops": crops, "image_bytes": np.frombuffer(encoded, np.uint8)}

    def draw(self, predictor: Predictor) -> np.ndarray:
        """Some images with the answers and the targets below them, uint8 RGB."""
        rows, crops = self._readable(SHOWN)
        caption = self.data.caption
        tiles = [
            Tile(crop, f"{caption(answer)}, is {caption(self.data.targets[row])}")
            for row, crop, answer in zip(
                rows, crops, predictor.answer(crops), strict=True
            )
        ]
        return contact_sheet(tiles, columns=6)

    def _readable(self, count: int) -> tuple[list[int], np.ndarray]:
        """The first images that can be read: which, and what a network sees of them."""
        rows: list[int] = []
        crops = []
        for index in range(len(self)):
            crop, weight = self.data.read([index])
            if weight[0]:
                rows.append(index)
                crops.append(crop)
            if len(rows) == count:
                break
        if not rows:
            refuse(self.data.where, unreadable(len(self), self.data.broken))
        return rows, np.concatenate(crops)


class ImageExperiment(ABC):
    """An `hrnet_tf.tasks.base.experiment.Experiment`, but for what a task gives.

    That is `predictor`, `make_manifest`, `build_network`, `compile_settings`, and what
    is abstract below: its images, and how answers are judged.

    Attributes:
        config: what the experiment is.
        monitor: the statistic that tells the best weights; higher is better.
    """

    monitor: ClassVar[str]

    def __init__(self, config: Any):
        self.config = config

    @abstractmethod
    def images(self, part: Literal["train", "val"]) -> ImageFiles:
        """The images of a part of the data, with their targets."""

    @abstractmethod
    def judge(self, answers: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Statistics by name, of answers and targets, a row an image."""

    def input(self) -> ImageInput:
        """What the network takes."""
        height, width = self.config.model.size
        return ImageInput(height, width, orientation=self.config.data.orientation)

    def training_data(self, manifest: Any) -> ImageFiles:
        """The images of the training part."""
        return self.images("train")

    def judged(self, manifest: Any) -> Any:
        """The facts of the model as they are."""
        return manifest

    def evaluator(self, manifest: Any) -> ImageEvaluator:
        """Judges by the images of the validation part."""
        return ImageEvaluator(self.images("val"), manifest, self.judge, self.monitor)

    def training_model(self, network: keras.Model) -> keras.Model:
        """From uint8 images to the network's answers."""
        return behind_normalisation(network, self.config.model.size)
