"""Predictions for a whole data set of images and segments, judged by PQ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.survey import Survey
from hrnet_tf.images.lettering import SMALLEST
from hrnet_tf.images.sheets import Tile, contact_sheet
from hrnet_tf.tasks.dense.evaluator import DenseEvaluation, DenseEvaluator, Shown
from hrnet_tf.tasks.panoptic.coco_panoptic import PanopticImages
from hrnet_tf.tasks.panoptic.config import PanopticEvaluate, PanopticSection
from hrnet_tf.tasks.panoptic.drawing import draw_panoptic, segments_legend
from hrnet_tf.tasks.panoptic.manifest import Grouping, PanopticManifest
from hrnet_tf.tasks.panoptic.pipeline import SegmentReader
from hrnet_tf.tasks.panoptic.predictor import PanopticPredictor
from hrnet_tf.tasks.panoptic.result import PanopticMap
from hrnet_tf.tasks.panoptic.scores import (
    COLUMNS,
    SUMS,
    PanopticScores,
    compare_segments,
)
from hrnet_tf.tasks.panoptic.survey import check_segments, survey_segments

SHEET_COLUMNS = 6  # two images, their segments by hand and by the network


@dataclass(frozen=True)
class PanopticEvaluation(DenseEvaluation):
    """How good segments are; the worst have the lowest PQ by themselves."""

    scores: PanopticScores

    def table(self) -> str:
        """The statistics as text, and a line for each class."""
        lines = [f"{name:<16}{value:.4f}" for name, value in self.statistics.items()]
        lines += [f"{self.images} images, {self.skipped} skipped", ""]
        return "\n".join([*lines, self.scores.table()])

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {**super().facts(), "classes": self.scores.by_class()}

    def write_details(self, target: Path) -> None:
        """Write the classes (CSV) and the worst images (JPEG)."""
        super().write_details(target)
        self.write_rows(target.with_name(f"{target.stem}_classes.csv"), COLUMNS)


def grouping_of(settings: PanopticEvaluate) -> Grouping:
    """How pixels become segments, as a configuration has it."""
    return Grouping(
        settings.center_threshold,
        settings.center_window,
        settings.most_things,
        settings.stuff_area,
    )


class PanopticEvaluator(DenseEvaluator):
    """Judges panoptic networks on one part of a data set, as often as one likes.

    Args:
        data: the data set's section.
        settings: how images are looked at, and pixels grouped.
        manifest: what the network takes, and its classes.
        images: what to judge on.

    Raises:
        InputError: if the images have other classes than the manifest.
    """

    monitor = "pq"

    def __init__(
        self,
        data: PanopticSection,
        settings: PanopticEvaluate,
        manifest: PanopticManifest,
        images: PanopticImages,
    ):
        own = replace(manifest.classes, palette=())
        if replace(images.classes, palette=()) != own:
            raise InputError(
                f"The segments in {data.root} have the classes "
                f"{', '.join(images.classes.names)}, the model has "
                f"{', '.join(own.names)}; names, numbers and things must be the same."
            )
        super().__init__(data, settings, manifest, SegmentReader(images, data))
        grouping = grouping_of(settings)
        self.manifest = replace(self.manifest, grouping=grouping)

    def evaluate(
        self, predictor: PanopticPredictor, progress: bool = False
    ) -> PanopticEvaluation:
        """Find the segments of every image and compare; one image is in memory.

        Raises:
            InputError: if a sample is broken and `data.on_error` is `"stop"`.
        """
        classes = self.manifest.classes

        def compare(image: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
            found = predictor.predict(image).segments
            sums = compare_segments(target, found, len(classes))
            return sums, PanopticScores(sums, classes).statistics()["pq"]

        nothing = np.zeros((len(SUMS), len(classes)))
        found = self.judge(predictor, nothing, compare, progress)
        scores = PanopticScores(found.total, classes)
        return PanopticEvaluation(scores, len(self), found.skipped, found.worst)

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_segments(self.reader, self.where)

    def survey(self) -> Survey:
        """Segments by class."""
        return survey_segments(self.reader)

    def sheet(
        self, predictor: PanopticPredictor, samples: Sequence[Shown]
    ) -> np.ndarray:
        """Images as they are, their segments by hand and by the network, uint8 RGB."""
        classes = self.manifest.classes
        tiles, maps = [], []
        for name, image, target in samples:
            answer = predictor.predict(image)
            truth = PanopticMap(target, np.ones(target.shape, np.float32), classes)
            sums = compare_segments(target, answer.segments, len(classes))
            quality = PanopticScores(sums, classes).statistics()["pq"]
            maps += [truth, answer]
            tiles += [
                Tile(image, name),
                Tile(draw_panoptic(image, truth, legend=False), "by hand"),
                Tile(
                    draw_panoptic(image, answer, legend=False),
                    f"by the network, PQ {quality:.2f}",
                ),
            ]

        def legend(width: int) -> np.ndarray:
            return segments_legend(maps, width, size=SMALLEST)

        return contact_sheet(tiles, SHEET_COLUMNS, legend=legend if maps else None)
