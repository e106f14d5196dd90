"""Detection, tied together: objects, HRNetDetector, its losses, COCO's AP."""

from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import warn_of_unseen
from hrnet_tf.images.sheets import COLUMNS, contact_sheet
from hrnet_tf.networks.building import build_network
from hrnet_tf.tasks.base.manifest import versions
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.config import DetectionConfig
from hrnet_tf.tasks.detection.detector import behind_normalisation
from hrnet_tf.tasks.detection.evaluator import DetectionEvaluator, judged_objects
from hrnet_tf.tasks.detection.manifest import (
    LEAST,
    DetectionManifest,
    ObjectInput,
    ObjectOutput,
)
from hrnet_tf.tasks.detection.network import HRNetDetector
from hrnet_tf.tasks.detection.pipeline import (
    ObjectReader,
    largest_scale,
    random_epochs,
    training_batches,
)
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from hrnet_tf.tasks.detection.sources import Source, open_part
from hrnet_tf.tasks.detection.survey import (
    check_objects,
    count_objects,
    survey_objects,
)
from hrnet_tf.tasks.detection.truth import draw_annotated


class DetectionExperiment:
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = DetectionPredictor

    def __init__(self, config: DetectionConfig):
        self.config = config
        self._part: Source | None = None  # training data; reading COCO takes a while

    def _training_part(self) -> Source:
        if self._part is None:
            data, masks = self.config.data, self.config.model.masks
            self._part = open_part(data, data.train, masks=masks, training=True)
        return self._part

    def make_manifest(self) -> DetectionManifest:
        """The facts of the model that the configuration describes."""
        model, data = self.config.model, self.config.data
        kind = "cascade" if model.cascade else "faster"
        return DetectionManifest(
            f"{model.name} {kind} width {model.width}",
            ObjectInput(*model.size, orientation=data.orientation),
            ObjectOutput(),
            self._training_part().classes,
            data.scale,
            model.masks,
            LEAST if model.detections.least is None else model.detections.least,
            versions=versions(),
        )

    def build_network(
        self,
        manifest: DetectionManifest,
        weights: str | None,
        *,
        synchronized: bool = False,
    ) -> keras.Model:
        """Normalised images of any size to boxes, classes and masks maybe."""
        model = self.config.model
        return build_network(
            HRNetDetector,
            model.beginning_with(weights),
            len(manifest.classes),
            synchronized=synchronized,
            input_shape=(None, None, 3),
            cascade=model.cascade,
            masks=model.masks,
            batch_statistics=model.batch_statistics,
            features=model.features,
            hidden=model.hidden,
            proposals=model.proposals.given(),
            detections=model.detections.given(),
            learning=self.config.train.learning.given(),
        )

    def training_data(self, manifest: DetectionManifest) -> "DetectionTrainingData":
        """Every image with objects."""
        return DetectionTrainingData(self.config, self._training_part())

    def judged(self, manifest: DetectionManifest) -> DetectionManifest:
        """Looks at images as large as the configuration has it."""
        return judged_objects(manifest, self.config.data)

    def evaluator(self, manifest: DetectionManifest) -> DetectionEvaluator:
        """Judges by COCO's metric, and WIDER FACE's."""
        return DetectionEvaluator(self.config.data, self.config.evaluate, manifest)

    def training_model(self, network: keras.Model) -> keras.Model:
        """From padded uint8 images to what the network finds."""
        return behind_normalisation(network)

    def compile_settings(self, manifest: DetectionManifest) -> dict[str, Any]:
        """None: detectors have their own losses."""
        return {}


class DetectionTrainingData:
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def __init__(self, config: DetectionConfig, source: Source):
        self.config, self.source = config, source
        data = config.data
        self.reader = ObjectReader(
            source.objects(),
            config.model.masks,
            data.bucket,
            largest_scale(data),
            data.on_error,
            data.reading,
        )

    def __len__(self) -> int:
        return len(self.reader.objects)

    @property
    def classes(self) -> ObjectClasses:
        """What labels mean."""
        return self.source.classes

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random looks at images with their objects."""
        config, size = self.config, self.config.train.batch_size
        epoch = random_epochs(
            self.reader.objects, config.data, steps, size, config.seed
        )
        return training_batches(
            self.reader, config.data, epoch, epochs, size, config.seed
        )

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here a broken image is an InputError."""
        return self.reader.files.broken.explained()

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        where = self.config.data.train.annotations
        check_objects(self.reader, where)
        warn_of_unseen(count_objects(self.reader.objects, self.classes), where)

    def survey(self) -> Survey:
        """Objects by class."""
        return survey_objects(self.reader, self.source)

    def draw(self, images: Any, targets: Any) -> np.ndarray:
        """Images as the network gets them, with boxes and masks of their objects."""
        pictures = []
        for row, (height, width) in enumerate(images["sizes"]):
            own = {name: values[row] for name, values in targets.items()}
            there = (own["labels"] >= 0) & (own["boxes"][:, 2] > own["boxes"][:, 0])
            masks = own.get("masks")
            pixels = None
            if masks is not None:
                pixels = [mask[:height, :width] > 0 for mask in masks[there]]
            pictures.append(
                draw_annotated(
                    images["image"][row, :height, :width],
                    own["boxes"][there],
                    own["labels"][there],
                    self.classes,
                    pixels,
                )
            )
        return contact_sheet(pictures, COLUMNS // 2, side=400)
