"""Semantic segmentation, tied together: masks, network, cross-entropy, mean IoU."""

from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.survey import Survey
from hrnet_tf.images.lettering import SMALLEST
from hrnet_tf.images.sheets import COLUMNS, contact_sheet
from hrnet_tf.networks.weighted_losses import WeightedSum
from hrnet_tf.tasks.base.experiment import named_loss
from hrnet_tf.tasks.dense.experiment import DenseExperiment, PairTrainingData
from hrnet_tf.tasks.dense.network import STRIDE
from hrnet_tf.tasks.segmentation.classes import IGNORED
from hrnet_tf.tasks.segmentation.config import SegmentationConfig
from hrnet_tf.tasks.segmentation.dice import SoftDice
from hrnet_tf.tasks.segmentation.drawing import draw_labels, labels_legend
from hrnet_tf.tasks.segmentation.evaluator import SegmentationEvaluator
from hrnet_tf.tasks.segmentation.losses import (
    DenseCrossEntropy,
    HardPixelCrossEntropy,
    LovaszSoftmax,
)
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest
from hrnet_tf.tasks.segmentation.masks import MaskedImages, open_masks
from hrnet_tf.tasks.segmentation.network import (
    DILATED_STRIDE,
    DeepLabV3,
    HRNetV2,
    PSPNet,
)
from hrnet_tf.tasks.segmentation.pipeline import MaskReader
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor
from hrnet_tf.tasks.segmentation.result import LabelMap
from hrnet_tf.tasks.segmentation.survey import check_masks, survey_masks

NETWORKS = {x.__name__: x for x in (HRNetV2, PSPNet, DeepLabV3)}


class SegmentationExperiment(DenseExperiment):
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = SegmentationPredictor
    config: SegmentationConfig

    def __init__(self, config: SegmentationConfig):
        super().__init__(config)
        self.constructor = NETWORKS[config.model.name]

    @cached_property
    def images(self) -> tuple[MaskedImages, MaskedImages]:
        """For training and for validation."""
        return open_masks(self.config.data, self.config.seed)

    def make_manifest(self) -> SegmentationManifest:
        """The facts of the model; its classes are those of the data."""
        model = self.config.model
        stride = DILATED_STRIDE if model.name in model.on_resnet else STRIDE
        return SegmentationManifest(
            output=LogitMapOutput(stride, self.align_corners),
            classes=self.images[0].class_set,
            **self.facts(),
        )

    def build_network(
        self,
        manifest: SegmentationManifest,
        weights: str | None,
        *,
        synchronized: bool = False,
    ) -> keras.Model:
        """Normalised images of any size to logits; with OCR to both of its answers."""
        return self.network(len(manifest.classes), weights, synchronized=synchronized)

    def training_data(self, manifest: SegmentationManifest) -> "MaskTrainingData":
        """The images and masks of the training part."""
        return MaskTrainingData(
            self.config, MaskReader(self.images[0], self.config.data)
        )

    def evaluator(self, manifest: SegmentationManifest) -> SegmentationEvaluator:
        """Judges by the images of the validation part."""
        return SegmentationEvaluator(
            self.config.data, self.config.evaluate, manifest, self.images[1]
        )

    def compile_settings(self, manifest: SegmentationManifest) -> dict[str, Any]:
        """Cross-entropy at the labels' size; for OCR, of both answers."""
        settings = self.config.train
        if settings.loss is not None:
            loss = named_loss(settings.loss)
            plain = loss
        else:
            loss, plain = self._losses(manifest)
        if not self.config.model.ocr:
            return {"loss": loss}
        return {
            "loss": {"auxiliary": plain, "logits": loss},
            "loss_weights": {"auxiliary": settings.auxiliary_weight, "logits": 1.0},
        }

    def _losses(
        self, manifest: SegmentationManifest
    ) -> tuple[keras.losses.Loss, keras.losses.Loss]:
        """The loss of the logits, and that of OCR's first answer, without mining."""
        settings, classes = self.config.train, manifest.classes
        if settings.class_weights and not classes.weights:
            raise InputError(
                f"`train.class_weights` is true, but the class set {classes.name} has "
                "no `weights`."
            )
        weights = classes.weights if settings.class_weights else None
        rule = self.rule
        plain = DenseCrossEntropy(rule, class_weights=weights)
        loss: keras.losses.Loss = plain
        if settings.hardest_pixels:
            loss = HardPixelCrossEntropy(
                rule,
                class_weights=weights,
                threshold=settings.hard_threshold,
                kept=settings.hardest_pixels,
            )
        added = ((LovaszSoftmax, settings.lovasz), (SoftDice, settings.dice))
        parts = [(kind(rule), weight) for kind, weight in added if weight]
        if parts:
            losses, weights = zip((loss, 1.0), *parts, strict=True)
            loss = WeightedSum(losses, weights)
        return loss, plain


class MaskTrainingData(PairTrainingData):
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random crops and the labels of their pixels, twice for OCR."""
        batches = super().batches(epochs, steps)
        if not self.config.model.ocr:
            return batches

        def twice(images, labels):
            return images, {"auxiliary": labels, "logits": labels}

        return batches.map(twice)

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_masks(self.reader, f"{self.config.data.root}, training", learn=True)

    def survey(self) -> Survey:
        """Pixels by class."""
        return survey_masks(self.reader)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Images coloured by their labels; what does not count is hatched."""
        labels = targets["logits"] if isinstance(targets, dict) else targets
        classes = self.reader.images.class_set
        labels = np.where(labels < len(classes), labels, IGNORED).astype(np.uint8)
        pictures = [
            draw_labels(image, LabelMap(row, np.ones(row.shape), classes), legend=False)
            for image, row in zip(images, labels, strict=True)
        ]

        def legend(width: int) -> np.ndarray:
            return labels_legend([labels], classes, width, size=SMALLEST)

        return contact_sheet(pictures, COLUMNS, legend=legend)
