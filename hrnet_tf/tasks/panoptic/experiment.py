"""Panoptic segmentation, tied together: segments, HRNetPanoptic, three losses, PQ."""

from dataclasses import replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse
from hrnet_tf.images.lettering import SMALLEST
from hrnet_tf.images.sheets import COLUMNS, contact_sheet
from hrnet_tf.networks.building import build_network
from hrnet_tf.tasks.dense.experiment import DenseExperiment, PairTrainingData
from hrnet_tf.tasks.panoptic.coco_panoptic import PanopticImages, open_panoptic
from hrnet_tf.tasks.panoptic.config import PanopticConfig
from hrnet_tf.tasks.panoptic.drawing import draw_panoptic, segments_legend
from hrnet_tf.tasks.panoptic.evaluator import PanopticEvaluator, grouping_of
from hrnet_tf.tasks.panoptic.losses import CenterLoss, OffsetLoss, SemanticLoss
from hrnet_tf.tasks.panoptic.manifest import (
    OUTPUTS,
    PanopticManifest,
    PanopticOutput,
)
from hrnet_tf.tasks.panoptic.network import HRNetPanoptic
from hrnet_tf.tasks.panoptic.pipeline import SegmentReader
from hrnet_tf.tasks.panoptic.predictor import PanopticPredictor
from hrnet_tf.tasks.panoptic.result import PanopticMap
from hrnet_tf.tasks.panoptic.survey import (
    NO_THING,
    check_segments,
    survey_segments,
)


class PanopticExperiment(DenseExperiment):
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = PanopticPredictor
    constructor = staticmethod(HRNetPanoptic)
    config: PanopticConfig

    @cached_property
    def images(self) -> tuple[PanopticImages, PanopticImages]:
        """For training and for validation."""
        return open_panoptic(self.config.data, self.config.seed)

    def make_manifest(self) -> PanopticManifest:
        """The facts of the model; its classes are those of the data."""
        return PanopticManifest(
            output=PanopticOutput(align_corners=self.align_corners),
            classes=self.images[0].classes,
            grouping=grouping_of(self.config.evaluate),
            **self.facts(),
        )

    def judged(self, manifest: PanopticManifest) -> PanopticManifest:
        """Views and grouping as the configuration has them."""
        grouping = grouping_of(self.config.evaluate)
        return replace(super().judged(manifest), grouping=grouping)

    def build_network(
        self,
        manifest: PanopticManifest,
        weights: str | None,
        *,
        synchronized: bool = False,
    ) -> keras.Model:
        """Normalised images of any size to classes, centres and offsets."""
        section = self.config.model.beginning_with(weights)
        return build_network(
            self.constructor,
            section,
            len(manifest.classes),
            synchronized=synchronized,
            input_shape=(None, None, 3),
            features=section.features,
        )

    def training_data(self, manifest: PanopticManifest) -> "SegmentTrainingData":
        """The images and segments of the training part."""
        return SegmentTrainingData(
            self.config, SegmentReader(self.images[0], self.config.data)
        )

    def evaluator(self, manifest: PanopticManifest) -> PanopticEvaluator:
        """Judges by the images of the validation part."""
        return PanopticEvaluator(
            self.config.data, self.config.evaluate, manifest, self.images[1]
        )

    def compile_settings(self, manifest: PanopticManifest) -> dict[str, Any]:
        """A loss for each answer, and what it weighs."""
        settings, classes = self.config.train, len(manifest.classes)
        return {
            "loss": {
                "semantic": SemanticLoss(
                    self.rule,
                    settings.hardest_share,
                    settings.small_area,
                    settings.small_weight,
                ),
                "center": CenterLoss(classes, settings.sigma, self.rule),
                "offset": OffsetLoss(classes, self.rule),
            },
            "loss_weights": {
                "semantic": 1.0,
                "center": settings.center_weight,
                "offset": settings.offset_weight,
            },
        }


class SegmentTrainingData(PairTrainingData):
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random crops and their segments, for each answer of the network."""

        def for_each(images, segments):
            return images, dict.fromkeys(OUTPUTS, segments)

        return super().batches(epochs, steps).map(for_each)

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        where = f"{self.config.data.root}, training"
        if not self.reader.images.classes.things:
            refuse(where, NO_THING)
        check_segments(self.reader, where)

    def survey(self) -> Survey:
        """Segments by class."""
        return survey_segments(self.reader)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Images coloured by their segments."""
        classes = self.reader.images.classes
        maps = [
            PanopticMap(row, np.ones(row.shape, np.float32), classes)
            for row in targets[OUTPUTS[0]]
        ]
        pictures = [
            draw_panoptic(image, own, legend=False)
            for image, own in zip(images, maps, strict=True)
        ]

        def legend(width: int) -> np.ndarray:
            return segments_legend(maps, width, size=SMALLEST)

        return contact_sheet(pictures, COLUMNS, legend=legend)
