"""Dense regression, tied together: maps, HRNetV2, errors of pixels, R2."""

from functools import cached_property
from typing import Any

import keras
import numpy as np

from hrnet_tf.components import create
from hrnet_tf.config.regression import RegressionConfig
from hrnet_tf.data.map_pipeline import MapReader
from hrnet_tf.data.maps import MappedImages, open_maps
from hrnet_tf.data.survey import Survey, survey_maps
from hrnet_tf.evaluators.regression import RegressionEvaluator
from hrnet_tf.experiments.dense import DenseExperiment, PairTrainingData
from hrnet_tf.losses import DenseRegression
from hrnet_tf.manifest import MapOutput, RegressionManifest
from hrnet_tf.predictors.regression import RegressionPredictor
from hrnet_tf.visualize import draw_values

OPACITY = 0.7  # of targets that are drawn on images


class RegressionExperiment(DenseExperiment):
    """See `hrnet_tf.experiments.base.Experiment`."""

    predictor = RegressionPredictor
    config: RegressionConfig

    @cached_property
    def images(self) -> tuple[MappedImages, MappedImages]:
        """For training and for validation."""
        return open_maps(self.config.data, self.config.seed)

    def make_manifest(self) -> RegressionManifest:
        """The facts of the model."""
        return RegressionManifest(
            output=MapOutput(align_corners=self.align_corners),
            channels=self.config.data.channel_set,
            **self.facts(),
        )

    def build_network(
        self,
        manifest: RegressionManifest,
        weights: str | None,
        *,
        synchronized: bool = False,
    ) -> keras.Model:
        """Normalised images of any size to a map of numbers."""
        return self.network(len(manifest.channels), weights, synchronized=synchronized)

    def training_data(self, manifest: RegressionManifest) -> "MapTrainingData":
        """The images and maps of the training part."""
        return MapTrainingData(self.config, MapReader(self.images[0], self.config.data))

    def evaluator(self, manifest: RegressionManifest) -> RegressionEvaluator:
        """Judges by the images of the validation part."""
        return RegressionEvaluator(
            self.config.data, self.config.evaluate, manifest, self.images[1]
        )

    def compile_settings(self, manifest: RegressionManifest) -> dict[str, Any]:
        """Errors at the targets' size."""
        settings = self.config.train
        if settings.loss is not None:
            return {"loss": create(settings.loss, "train.loss")}
        return {"loss": DenseRegression(settings.loss_kind, self.rule)}


class MapTrainingData(PairTrainingData):
    """See `hrnet_tf.experiments.base.TrainingData`."""

    def survey(self) -> Survey:
        """Annotated pixels by channel."""
        return survey_maps(self.reader)

    def draw(self, images: np.ndarray, targets: Any) -> list[np.ndarray]:
        """Images coloured by their numbers, the channels side by side.

        Colours mean the same in all of them; what is not known is left as it is.
        """
        values = targets.numpy()
        known = np.isfinite(values)
        spans = [
            (float(numbers[there].min()), float(numbers[there].max()))
            if there.any()
            else (0.0, 1.0)
            for numbers, there in zip(
                np.moveaxis(values, -1, 0), np.moveaxis(known, -1, 0), strict=True
            )
        ]
        pictures = []
        for image, numbers, there in zip(images, values, known, strict=True):
            panels = []
            for index, span in enumerate(spans):
                colors = draw_values(numbers[..., index], span)
                blended = OPACITY * colors + (1 - OPACITY) * image
                seen = there[..., index, None]
                panels.append(np.where(seen, blended, image).astype(np.uint8))
            pictures.append(np.concatenate(panels, axis=1))
        return pictures
