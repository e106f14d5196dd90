"""Predictions for a whole data set of images, judged by top-1 and top-5."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.images.plots import draw_confusion_matrix
from hrnet_tf.images.sheets import Tile, contact_sheet
from hrnet_tf.tasks.classification.config import ClassificationEvaluate, ImageSection
from hrnet_tf.tasks.classification.images import LabelledImages
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.metrics import ClassificationScores
from hrnet_tf.tasks.classification.pipeline import ImageReader, validation_images
from hrnet_tf.tasks.classification.predictor import ImageClassifier
from hrnet_tf.tasks.classification.survey import check_images, survey_images
from hrnet_tf.tasks.classification.views import CentralView

SHOWN = 24  # images in a picture


@dataclass(frozen=True)
class ClassificationEvaluation:
    """How good predictions of classes are.

    Attributes:
        scores: top-1, top-5, loss and the confusion matrix.
        images: how many were looked at.
        skipped: how many of them could not be read.
        classes: names of the classes.
    """

    scores: ClassificationScores
    images: int
    skipped: int
    classes: tuple[str, ...]

    @cached_property
    def statistics(self) -> dict[str, float]:
        """`top1`, `top5` (in [0, 1]) and `loss`."""
        return self.scores.statistics()

    def table(self) -> str:
        """The statistics as text, and of few classes a line each."""
        lines = [
            " ".join(f"{name:>7}" for name in self.statistics),
            " ".join(f"{value:7.3f}" for value in self.statistics.values()),
            f"{self.images} images, {self.skipped} skipped",
        ]
        if len(self.classes) <= 50:
            lines += ["", self.scores.table(self.classes)]
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "images": self.images,
            "skipped": self.skipped,
        }

    def write_details(self, target: Path) -> None:
        """Write the confusion matrix (PNG) and a line for every class (CSV)."""
        stem = target.stem
        draw_confusion_matrix(
            self.scores.confusion_matrix,
            self.classes,
            target.with_name(f"{stem}_confusion_matrix.png"),
        )
        self.scores.write_csv(target.with_name(f"{stem}_classes.csv"), self.classes)


def judged_classes(
    manifest: ClassificationManifest,
    data: ImageSection,
    settings: ClassificationEvaluate,
) -> ClassificationManifest:
    """A model's facts with the crop and the mirroring that it is judged with."""
    return replace(manifest, flip=settings.flip, crop_share=data.crop_share)


class ClassificationEvaluator:
    """Judges classifiers on one part of a data set, as often as one likes.

    Args:
        data: the data set's section.
        settings: how predictions are made.
        manifest: what the network takes, and its classes.
        images: what to judge on.

    Raises:
        InputError: if the images have other classes than the manifest.
    """

    monitor = "top1"

    def __init__(
        self,
        data: ImageSection,
        settings: ClassificationEvaluate,
        manifest: ClassificationManifest,
        images: LabelledImages,
    ):
        if images.classes != manifest.classes:
            raise InputError(
                f"The images in {data.root} have the classes "
                f"{', '.join(images.classes[:5])} ({len(images.classes)}), the model "
                f"has {', '.join(manifest.classes[:5])} ({len(manifest.classes)})."
            )
        self.manifest = judged_classes(manifest, data, settings)
        self.settings = settings
        self.images = images
        self.reader = ImageReader(images, data.on_error, data.reading)
        self.where = f"{data.root}, validation"
        # Tells evaluations of one run apart.
        self.name = f"{Path(data.root).name}_{'flip' if settings.flip else 'straight'}"

    def __len__(self) -> int:
        return len(self.images)

    def evaluate(
        self, predictor: ImageClassifier, progress: bool = False
    ) -> ClassificationEvaluation:
        """Classify every image and compare.

        Raises:
            InputError: if an image is broken and `data.on_error` is `"stop"`, or all
                are.
        """
        scores = ClassificationScores(len(self.manifest.classes))
        skipped = 0
        steps = -(-len(self) // self.settings.batch_size)
        size, share = self.manifest.input.size, self.manifest.crop_share
        batches = validation_images(self.reader, size, self.settings.batch_size, share)
        with self.reader.errors_explained():
            for crops, labels, weights in progress_bar(
                batches, total=steps, unit="batch", shown=progress
            ):
                probabilities = predictor.classify(crops.numpy())
                scores.update(probabilities, labels.numpy(), weights.numpy())
                skipped += int((weights.numpy() == 0).sum())
        if skipped == len(self):
            refuse(self.where, unreadable(skipped, self.reader.broken))
        classes = self.manifest.classes
        return ClassificationEvaluation(scores, len(self), skipped, classes)

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_images(self.reader, self.where, learn=False)

    def survey(self) -> Survey:
        """Images by class."""
        return survey_images(self.reader)

    def samples(self) -> dict[str, np.ndarray]:
        """Some crops, and an encoded image, to check exports on."""
        _, name, encoded, _ = next(iter(self.images.in_order()))
        content = encoded.numpy() or Path(name.numpy().decode()).read_bytes()
        crops, _ = self._shown
        return {
            "crops": crops[:8],
            "image_bytes": np.frombuffer(content, np.uint8),
        }

    def draw(self, predictor: ImageClassifier) -> np.ndarray:
        """Some images with what they are taken for, uint8 RGB; mistakes say so."""
        crops, labels = self._shown
        tiles = []
        for crop, label, row in zip(
            crops, labels, predictor.classify(crops), strict=True
        ):
            found, classes = int(row.argmax()), self.manifest.classes
            text = f"{row[found]:.2f} {classes[found]}"
            if found != label:
                text = f"{text}, is {classes[label]}"
            tiles.append(Tile(crop, text, alarming=found != label))
        return contact_sheet(tiles, columns=6)

    @cached_property
    def _shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Crops of some images at random, with their labels."""
        view = CentralView(self.manifest.input.size, self.manifest.crop_share)
        rows = self.images.shuffled(0).take(SHOWN).batch(SHOWN)
        index, names, encoded, labels = next(rows.as_numpy_iterator())
        crops, _ = self.reader.read(view, 0, 0, (index, names, encoded))
        return crops, labels
