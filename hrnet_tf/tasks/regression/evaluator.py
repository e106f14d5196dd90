"""Predictions for a whole data set of images and maps, judged by R2."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.survey import Survey
from hrnet_tf.images.sheets import Tile, contact_sheet
from hrnet_tf.tasks.dense.config import DenseEvaluate
from hrnet_tf.tasks.dense.evaluator import DenseEvaluation, DenseEvaluator, Shown
from hrnet_tf.tasks.regression.channels import robust_spans
from hrnet_tf.tasks.regression.config import MapSection
from hrnet_tf.tasks.regression.drawing import draw_values, values_legends
from hrnet_tf.tasks.regression.manifest import RegressionManifest
from hrnet_tf.tasks.regression.maps import MappedImages
from hrnet_tf.tasks.regression.metrics import (
    COLUMNS,
    SUMS,
    RegressionScores,
    error_sums,
)
from hrnet_tf.tasks.regression.pipeline import MapReader
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.regression.survey import check_maps, survey_maps


@dataclass(frozen=True)
class RegressionEvaluation(DenseEvaluation):
    """How good numbers of pixels are; the worst have the largest mean errors."""

    scores: RegressionScores

    def table(self) -> str:
        """A line for each channel."""
        counts = f"{self.images} images, {self.skipped} skipped"
        return f"{self.scores.table()}\n{counts}"

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {**super().facts(), "channels": self.scores.by_channel()}

    def write_details(self, target: Path) -> None:
        """Write the channels (CSV) and the worst images (JPEG)."""
        super().write_details(target)
        channels = target.with_name(f"{target.stem}_channels.csv")
        self.write_rows(channels, COLUMNS)


class RegressionEvaluator(DenseEvaluator):
    """Judges networks of dense regression on one part of a data set.

    Args:
        data: the data set's section.
        settings: how images are looked at.
        manifest: what the network takes, and its channels.
        images: what to judge on.

    Raises:
        InputError: if the images have other channels than the manifest.
    """

    monitor = "r2"

    def __init__(
        self,
        data: MapSection,
        settings: DenseEvaluate,
        manifest: RegressionManifest,
        images: MappedImages,
    ):
        if images.channels != manifest.channels:
            raise InputError(
                f"`data.channels` names {', '.join(images.channels.names)}, the model "
                f"has {', '.join(manifest.channels.names)}; names, `mirrored`, "
                "`per_pixel` and `nearer` must be the same."
            )
        super().__init__(data, settings, manifest, MapReader(images, data))

    def evaluate(
        self, predictor: RegressionPredictor, progress: bool = False
    ) -> RegressionEvaluation:
        """Predict every image and compare; one image at a time is in memory.

        Raises:
            InputError: if a sample is broken and `data.on_error` is `"stop"`.
        """
        names = self.manifest.channels.names

        def compare(image: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
            found = predictor.predict(image).values
            sums = error_sums(tf.constant(target), tf.constant(found)).numpy()
            return sums, -float(RegressionScores(sums, names).mae.mean())

        nothing = np.zeros((len(SUMS), len(names)))
        found = self.judge(predictor, nothing, compare, progress)
        scores = RegressionScores(found.total, names)
        return RegressionEvaluation(scores, len(self), found.skipped, found.worst)

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_maps(self.reader, self.where)

    def survey(self) -> Survey:
        """Annotated pixels by channel."""
        return survey_maps(self.reader)

    def sheet(
        self, predictor: RegressionPredictor, samples: Sequence[Shown]
    ) -> np.ndarray:
        """Images, and of each channel what it should be and what was found.

        Colours mean the same in all of them: those of the training data's numbers, or
        of these targets'.
        """
        channels = self.manifest.channels
        targets = [sample.target for sample in samples]
        spans = self.manifest.spans or robust_spans(targets, len(channels))
        tiles = []
        for name, image, target in samples:
            found = predictor.predict(image).values
            tiles.append(Tile(image, name))
            for index, (channel, span) in enumerate(
                zip(channels.titles, spans, strict=True)
            ):
                truth, values = target[..., index], found[..., index]
                error = np.abs(values - truth)[np.isfinite(truth)]
                unit = f" {channels.units[index]}" if channels.units else ""
                text = f"found, MAE {error.mean():.3g}{unit}" if len(error) else "found"
                tiles += [
                    Tile(draw_values(truth, span), channel),
                    Tile(draw_values(values, span), text),
                ]

        def legend(_: int) -> np.ndarray:
            return values_legends(channels.titles, spans)

        each = 1 + 2 * len(channels)
        columns = 2 * each if each == 3 else each
        return contact_sheet(tiles, columns, legend=legend if tiles else None)
