"""Dense regression, tied together: maps, HRNetV2, errors of pixels, R2."""

import contextlib
from functools import cached_property
from typing import Any

import keras
import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.choice import spread
from hrnet_tf.data.survey import Survey
from hrnet_tf.images.sheets import COLUMNS, contact_sheet
from hrnet_tf.tasks.base.experiment import named_loss
from hrnet_tf.tasks.dense.experiment import DenseExperiment, PairTrainingData
from hrnet_tf.tasks.regression.channels import robust_spans
from hrnet_tf.tasks.regression.config import RegressionConfig
from hrnet_tf.tasks.regression.drawing import draw_values, values_legends
from hrnet_tf.tasks.regression.evaluator import RegressionEvaluator
from hrnet_tf.tasks.regression.losses import DenseRegression
from hrnet_tf.tasks.regression.manifest import MapOutput, RegressionManifest
from hrnet_tf.tasks.regression.maps import MappedImages, open_maps, read_map
from hrnet_tf.tasks.regression.network import regression_network
from hrnet_tf.tasks.regression.pipeline import MapReader
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.regression.survey import check_maps, survey_maps

OPACITY = 0.7  # of targets that are drawn on images
LOOKED_AT = 64  # maps that tell from where to where numbers go


class RegressionExperiment(DenseExperiment):
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = RegressionPredictor
    constructor = staticmethod(regression_network)
    config: RegressionConfig

    @cached_property
    def images(self) -> tuple[MappedImages, MappedImages]:
        """For training and for validation."""
        return open_maps(self.config.data, self.config.seed)

    @cached_property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """From where to where the training data's numbers go, by some of its maps."""
        images = self.images[0]
        maps = []
        for index in spread(len(images), LOOKED_AT):
            with contextlib.suppress(InputError, OSError):  # the training tells of it
                maps.append(read_map(images.targets[index], self.config.data))
        return robust_spans(maps, len(images.channels))

    def make_manifest(self) -> RegressionManifest:
        """The facts of the model."""
        return RegressionManifest(
            output=MapOutput(align_corners=self.align_corners),
            channels=self.config.data.channel_set,
            spans=self.spans,
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
            return {"loss": named_loss(settings.loss)}
        return {"loss": DenseRegression(settings.loss_kind, self.rule)}


class MapTrainingData(PairTrainingData):
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_maps(self.reader, f"{self.config.data.root}, training")

    def survey(self) -> Survey:
        """Annotated pixels by channel."""
        return survey_maps(self.reader)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Images coloured by their numbers, the channels side by side.

        Colours mean the same in all of them; what is not known is left as it is.
        """
        channels = self.reader.images.channels
        spans = robust_spans(targets, len(channels))
        pictures = []
        for image, numbers in zip(images, targets, strict=True):
            panels = []
            for index, span in enumerate(spans):
                colors = draw_values(numbers[..., index], span)
                blended = OPACITY * colors + (1 - OPACITY) * image
                seen = np.isfinite(numbers[..., index, None])
                panels.append(np.where(seen, blended, image).astype(np.uint8))
            pictures.append(np.concatenate(panels, axis=1))

        def legend(_: int) -> np.ndarray:
            return values_legends(channels.titles, spans, unknown=None)

        columns = max(1, COLUMNS // len(channels))
        return contact_sheet(pictures, columns, legend=legend)
