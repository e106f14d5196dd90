"""Predictions for a whole data set of images and masks, judged by the mean IoU."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.survey import Survey
from hrnet_tf.images.lettering import SMALLEST
from hrnet_tf.images.plots import draw_confusion_matrix
from hrnet_tf.images.sheets import Tile, contact_sheet
from hrnet_tf.tasks.dense.config import DenseEvaluate
from hrnet_tf.tasks.dense.evaluator import DenseEvaluation, DenseEvaluator, Shown
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.drawing import draw_labels, labels_legend
from hrnet_tf.tasks.segmentation.manifest import SegmentationManifest
from hrnet_tf.tasks.segmentation.masks import MaskedImages
from hrnet_tf.tasks.segmentation.metrics import Scores, confusion_matrix
from hrnet_tf.tasks.segmentation.pipeline import MaskReader
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor
from hrnet_tf.tasks.segmentation.survey import check_masks, survey_masks

COLUMNS = 6  # of a sheet: two images, labelled by hand and by the network


@dataclass(frozen=True)
class SegmentationEvaluation(DenseEvaluation):
    """How good labels of pixels are; the worst have the lowest pixel accuracy."""

    scores: Scores

    def table(self) -> str:
        """The statistics as text, and a line for each class."""
        lines = [f"{name:<16}{value:.4f}" for name, value in self.statistics.items()]
        lines += [f"{self.images} images, {self.skipped} skipped", ""]
        return "\n".join([*lines, self.scores.table()])

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        iou = dict(zip(self.scores.names, self.scores.iou.tolist(), strict=True))
        return {**super().facts(), "iou": iou}

    def write_details(self, target: Path) -> None:
        """Write confusion matrix (PNG), classes (CSV) and the worst images (JPEG)."""
        super().write_details(target)
        draw_confusion_matrix(
            self.scores.confusion_matrix,
            self.scores.names,
            target.with_name(f"{target.stem}_confusion_matrix.png"),
        )
        classes = target.with_name(f"{target.stem}_classes.csv")
        self.write_rows(classes, ("class", "share", "iou", "accuracy"))


class SegmentationEvaluator(DenseEvaluator):
    """Judges labelling networks on one part of a data set, as often as one likes.

    Args:
        data: the data set's section.
        settings: how images are looked at.
        manifest: what the network takes, and its classes.
        images: what to judge on.

    Raises:
        InputError: if the images have other classes than the manifest.
    """

    monitor = "mean_iou"

    def __init__(
        self,
        data: MaskSection,
        settings: DenseEvaluate,
        manifest: SegmentationManifest,
        images: MaskedImages,
    ):
        if images.class_set.names != manifest.classes.names:
            raise InputError(
                f"The masks in {data.root} have the classes of "
                f"{images.class_set.name} ({len(images.class_set)}), the model has "
                f"those of {manifest.classes.name} ({len(manifest.classes)})."
            )
        super().__init__(data, settings, manifest, MaskReader(images, data))

    def evaluate(
        self, predictor: SegmentationPredictor, progress: bool = False
    ) -> SegmentationEvaluation:
        """Label every image and compare; one image at a time is in memory.

        Raises:
            InputError: if a sample is broken and `data.on_error` is `"stop"`.
        """
        count = len(self.manifest.classes)

        def compare(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
            matrix = confusion_matrix(labels, predictor.predict(image).labels, count)
            return matrix, np.trace(matrix) / max(1, matrix.sum())

        nothing = np.zeros((count, count), np.int64)
        found = self.judge(predictor, nothing, compare, progress)
        scores = Scores.from_matrix(found.total, self.manifest.classes.names)
        return SegmentationEvaluation(scores, len(self), found.skipped, found.worst)

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_masks(self.reader, self.where, learn=False)

    def survey(self) -> Survey:
        """Pixels by class."""
        return survey_masks(self.reader)

    def sheet(
        self, predictor: SegmentationPredictor, samples: Sequence[Shown]
    ) -> np.ndarray:
        """Images as they are, labelled by hand and by the network, uint8 RGB."""
        classes = self.manifest.classes
        tiles, maps = [], []
        for name, image, target in samples:
            known = target < len(classes)
            answer = predictor.predict(image)
            truth = replace(answer, labels=target.astype(np.uint8))
            right = (answer.labels == target)[known].mean() if known.any() else 0.0
            maps += [truth.labels, answer.labels]
            tiles += [
                Tile(image, name),
                Tile(draw_labels(image, truth, legend=False), "by hand"),
                Tile(
                    draw_labels(image, answer, legend=False),
                    f"by the network, {100 * right:.1f} % right",
                ),
            ]

        def legend(width: int) -> np.ndarray:
            return labels_legend(maps, classes, width, size=SMALLEST)

        return contact_sheet(tiles, COLUMNS, legend=legend if maps else None)
