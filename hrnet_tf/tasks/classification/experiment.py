"""Image classification, tied together: images, network, cross-entropy, top-1."""

from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import warn_of_unseen
from hrnet_tf.images.sheets import COLUMNS, Tile, contact_sheet
from hrnet_tf.networks.building import build_network
from hrnet_tf.tasks.base.experiment import behind_normalisation, named_loss
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.classification.config import ClassificationConfig
from hrnet_tf.tasks.classification.evaluator import (
    ClassificationEvaluator,
    judged_classes,
)
from hrnet_tf.tasks.classification.images import LabelledImages, open_images
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.network import HRNetClassifier
from hrnet_tf.tasks.classification.pipeline import ImageReader, training_images
from hrnet_tf.tasks.classification.predictor import ImageClassifier
from hrnet_tf.tasks.classification.survey import check_images, survey_images


class ClassificationExperiment:
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = ImageClassifier

    def __init__(self, config: ClassificationConfig):
        self.config = config

    @cached_property
    def images(self) -> tuple[LabelledImages, LabelledImages]:
        """For training and for validation."""
        data = self.config.data
        return open_images(
            data.root, data.validation_share, self.config.seed, data.on_error
        )

    def make_manifest(self) -> ClassificationManifest:
        """The facts of the model; its classes are those of the data."""
        model = self.config.model
        return ClassificationManifest(
            model=f"{model.name} width {model.width}",
            input=ImageInput(*model.size, orientation=self.config.data.orientation),
            classes=self.images[0].classes,
            crop_share=self.config.data.crop_share,
            versions=versions(),
        )

    def build_network(
        self,
        manifest: ClassificationManifest,
        weights: str | None,
        *,
        synchronized: bool = False,
    ) -> keras.Model:
        """Normalised images to logits."""
        section = self.config.model.beginning_with(weights)
        count = len(manifest.classes)
        return build_network(
            HRNetClassifier,
            section,
            count,
            synchronized=synchronized,
            head_planes=section.head_planes,
            features=section.features,
        )

    def training_data(self, manifest: ClassificationManifest) -> "ImageTrainingData":
        """The images of the training part."""
        return ImageTrainingData(self.config, self.images[0])

    def judged(self, manifest: ClassificationManifest) -> ClassificationManifest:
        """Crop and mirroring as the configuration has them."""
        return judged_classes(manifest, self.config.data, self.config.evaluate)

    def evaluator(self, manifest: ClassificationManifest) -> ClassificationEvaluator:
        """Judges by the images of the validation part."""
        return ClassificationEvaluator(
            self.config.data, self.config.evaluate, manifest, self.images[1]
        )

    def training_model(self, network: keras.Model) -> keras.Model:
        """From uint8 images to logits."""
        return behind_normalisation(network, self.config.model.size)

    def compile_settings(self, manifest: ClassificationManifest) -> dict[str, Any]:
        """Cross-entropy with the shares of classes, and top-1 accuracy."""
        settings = self.config.train
        loss = settings.loss and named_loss(settings.loss)
        smoothing = settings.label_smoothing
        return {
            "loss": loss
            or keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=smoothing
            ),
            "weighted_metrics": [keras.metrics.CategoricalAccuracy(name="top1")],
        }


class ImageTrainingData:
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def __init__(self, config: ClassificationConfig, images: LabelledImages):
        self.config = config
        self.images = images
        self.reader = ImageReader(images, config.data.on_error, config.data.reading)

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random crops; the share of each class in them; weights."""
        settings = self.config.data.augmentation
        batches = training_images(
            self.reader,
            self.config.model.size,
            settings,
            epochs,
            steps,
            self.config.train.batch_size,
            self.config.seed,
        )
        if settings.mixes:
            return batches
        count = len(self.images.classes)

        def in_shares(images, labels, weights):
            return images, tf.one_hot(labels, count), weights

        return batches.map(in_shares)

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here a broken image is an InputError."""
        return self.reader.errors_explained()

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        where = f"{self.config.data.root}, training"
        check_images(self.reader, where, learn=True)
        counts = map(int, self.images.class_counts)
        warn_of_unseen(dict(zip(self.images.classes, counts, strict=True)), where)

    def survey(self) -> Survey:
        """Images by class."""
        return survey_images(self.reader)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Images with the names of their classes; of mixed ones with their shares."""
        classes = self.images.classes
        tiles = []
        for image, row in zip(images, targets, strict=True):
            order = [index for index in np.argsort(-row)[:2] if row[index] > 0]
            names = [classes[index] for index in order]
            if len(names) > 1:
                names = [f"{row[i]:.2f} {classes[i]}" for i in order]
            tiles.append(Tile(image, ", ".join(names)))
        return contact_sheet(tiles, COLUMNS)
