"""Facial landmarks, tied together: faces, HRNetLandmarks, heatmap loss, NME."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.components import create
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import warn_of_unseen
from hrnet_tf.images.sheets import COLUMNS, contact_sheet
from hrnet_tf.networks.building import build_network
from hrnet_tf.tasks.base.experiment import behind_normalisation
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.keypoints.colors import change_colors
from hrnet_tf.tasks.keypoints.manifest import HeatmapOutput
from hrnet_tf.tasks.landmarks.config import LandmarkConfig
from hrnet_tf.tasks.landmarks.data import LandmarkFaces
from hrnet_tf.tasks.landmarks.drawing import show_landmarks
from hrnet_tf.tasks.landmarks.evaluator import (
    LandmarkEvaluator,
    in_crop,
    judged_faces,
)
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.losses import LandmarkLoss
from hrnet_tf.tasks.landmarks.manifest import LandmarkDecoding, LandmarkManifest
from hrnet_tf.tasks.landmarks.metrics import CellDistance
from hrnet_tf.tasks.landmarks.network import HRNetLandmarks
from hrnet_tf.tasks.landmarks.pipeline import (
    Cutter,
    FaceReader,
    random_epochs,
    training_batches,
)
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor
from hrnet_tf.tasks.landmarks.survey import check_faces, survey_faces


class LandmarkExperiment:
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = LandmarkPredictor

    def __init__(self, config: LandmarkConfig):
        self.config = config

    def make_manifest(self) -> LandmarkManifest:
        """The facts of the model that the configuration describes."""
        model, data = self.config.model, self.config.data
        strides = [stride for _, stride in model.stem] if model.stem else [2, 2]
        stride = int(np.prod(strides))
        height, width = model.size
        return LandmarkManifest(
            model=f"{model.name} width {model.width}",
            input=ImageInput(height, width, orientation=data.orientation),
            output=HeatmapOutput(height // stride, width // stride, stride),
            landmarks=LandmarkSet.read(data.landmarks),
            decoding=LandmarkDecoding(
                self.config.evaluate.refinement,
                data.sigma,
                data.padding,
                data.rule,
                data.stretched_twice,
            ),
            versions=versions(),
        )

    def build_network(
        self,
        manifest: LandmarkManifest,
        weights: str | None,
        *,
        synchronized: bool = False,
    ) -> keras.Model:
        """Normalised crops to heatmaps."""
        body = self.config.model.body if weights is None else None
        section = replace(self.config.model, weights=weights, body=body)
        count = len(manifest.landmarks)
        return build_network(HRNetLandmarks, section, count, synchronized=synchronized)

    def training_data(self, manifest: LandmarkManifest) -> "LandmarkTrainingData":
        """Every annotated face."""
        return LandmarkTrainingData(self.config, manifest)

    def judged(self, manifest: LandmarkManifest) -> LandmarkManifest:
        """Crops and decoding as the configuration has them."""
        return judged_faces(manifest, self.config.data, self.config.evaluate)

    def evaluator(self, manifest: LandmarkManifest) -> LandmarkEvaluator:
        """Judges by normalised mean errors."""
        return LandmarkEvaluator(self.config.data, self.config.evaluate, manifest)

    def training_model(self, network: keras.Model) -> keras.Model:
        """From uint8 crops, with random colours, to heatmaps."""
        augmentation = self.config.data.augmentation

        def change(crops: tf.Tensor) -> tf.Tensor:
            return change_colors(crops, augmentation)

        return behind_normalisation(network, self.config.model.size, change)

    def compile_settings(self, manifest: LandmarkManifest) -> dict[str, Any]:
        """Loss and metrics of heatmaps, given landmarks."""
        settings, codec = self.config.train, manifest.codec
        loss = settings.loss and create(settings.loss, "train.loss")
        return {
            "loss": LandmarkLoss(codec.sigma, codec.whole, loss),
            "metrics": [CellDistance()],
        }


class LandmarkTrainingData:
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def __init__(self, config: LandmarkConfig, manifest: LandmarkManifest):
        self.config = config
        self.manifest = manifest
        data = config.data
        self.part = LandmarkFaces(data.train, manifest.landmarks, data.on_error)
        cutter = Cutter(manifest.geometry, data.stretched_twice)
        self.reader = FaceReader(
            self.part.faces, cutter, data.padding, data.on_error, data.reading
        )

    def __len__(self) -> int:
        return len(self.reader.faces)

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random crops and their landmarks."""
        batch_size = self.config.train.batch_size
        augmentation = self.config.data.augmentation
        count, seed = steps * batch_size, self.config.seed
        epoch = random_epochs(self.reader.faces, augmentation, count, seed)
        mirror = self.manifest.landmarks.mirror
        return training_batches(self.reader, mirror, epoch, epochs, batch_size)

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here a broken image is an InputError."""
        return self.reader.broken.explained()

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        where = self.config.data.train.annotations
        check_faces(self.reader, where)
        seen = (self.reader.faces.points[..., 2] > 0).sum(axis=0)
        names = self.manifest.landmarks.names
        warn_of_unseen(dict(zip(names, map(int, seen), strict=True)), where)

    def survey(self) -> Survey:
        """Annotated landmarks by name."""
        part, landmarks = self.part, self.manifest.landmarks
        return survey_faces(self.reader, landmarks, part.broken, part.notes)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Crops with the annotated landmarks on them."""
        geometry, landmarks = self.manifest.geometry, self.manifest.landmarks
        pictures = []
        for crop, cells in zip(images, targets, strict=True):
            points = geometry.crop_pixels(cells[:, :2])
            face = in_crop(points, cells[:, 2], landmarks, geometry.size)
            pictures.append(show_landmarks(crop, face))
        return contact_sheet(pictures, COLUMNS)
