"""Top-down pose, tied together: people, HRNetV1, heatmap loss, COCO's AP."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.components import create
from hrnet_tf.common.errors import InputError
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import warn_of_unseen
from hrnet_tf.images.sheets import COLUMNS, contact_sheet
from hrnet_tf.networks.building import build_network
from hrnet_tf.tasks.base.experiment import behind_normalisation
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.keypoints.colors import change_colors
from hrnet_tf.tasks.keypoints.drawing import show_pose
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.losses import KeypointLoss
from hrnet_tf.tasks.keypoints.manifest import HeatmapOutput
from hrnet_tf.tasks.keypoints.metrics import KeypointAccuracy
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.keypoints.result import Pose
from hrnet_tf.tasks.pose.config import PoseConfig
from hrnet_tf.tasks.pose.evaluator import (
    PoseEvaluator,
    crop_geometry,
    decoding_of,
    judged_people,
)
from hrnet_tf.tasks.pose.judges import open_part
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.tasks.pose.network import HRNetV1, LiteHRNet, SimpleBaseline
from hrnet_tf.tasks.pose.pipeline import CropReader, random_epochs, training_batches
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.survey import check_people, survey_people

NETWORKS = {x.__name__: x for x in (HRNetV1, LiteHRNet, SimpleBaseline)}


class PoseExperiment:
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = PosePredictor

    def __init__(self, config: PoseConfig):
        self.config = config

    def make_manifest(self) -> PoseManifest:
        """The facts of the model that the configuration describes."""
        model, data = self.config.model, self.config.data
        strides = [stride for _, stride in model.stem] if model.stem else [2, 2]
        stride = int(np.prod(strides))
        height, width = model.size
        return PoseManifest(
            model=model.title,
            input=ImageInput(
                height,
                width,
                color_order=model.color_order,
                orientation=data.orientation,
            ),
            output=HeatmapOutput(height // stride, width // stride, stride),
            keypoints=KeypointSet.read(data.keypoints),
            decoding=decoding_of(data, self.config.evaluate),
            versions=versions(),
        )

    def build_network(
        self, manifest: PoseManifest, weights: str | None, *, synchronized: bool = False
    ) -> keras.Model:
        """Normalised crops to heatmaps."""
        section = self.config.model.beginning_with(weights)
        count = len(manifest.keypoints) * manifest.codec.maps_per_keypoint
        constructor = NETWORKS[section.name]
        return build_network(constructor, section, count, synchronized=synchronized)

    def training_data(self, manifest: PoseManifest) -> "PoseTrainingData":
        """Everyone with keypoints."""
        return PoseTrainingData(self.config, manifest)

    def judged(self, manifest: PoseManifest) -> PoseManifest:
        """Decoding and sigmas as the configuration has them."""
        return judged_people(manifest, self.config.data, self.config.evaluate)

    def evaluator(self, manifest: PoseManifest) -> PoseEvaluator:
        """Judges by the data set's metric."""
        return PoseEvaluator(self.config.data, self.config.evaluate, manifest)

    def training_model(self, network: keras.Model) -> keras.Model:
        """From uint8 crops, with random colours, to heatmaps."""
        augmentation = self.config.data.augmentation

        def change(crops: tf.Tensor) -> tf.Tensor:
            return change_colors(crops, augmentation)

        model = self.config.model
        return behind_normalisation(network, model.size, change, model.color_order)

    def compile_settings(self, manifest: PoseManifest) -> dict[str, Any]:
        """Loss and metrics of heatmaps, given keypoints."""
        settings, codec = self.config.train, manifest.codec
        if settings.hardest_keypoints > len(manifest.keypoints):
            raise InputError(
                "`train.hardest_keypoints` must be at most "
                f"{len(manifest.keypoints)}, all keypoints of "
                f"{manifest.keypoints.name}, got {settings.hardest_keypoints}."
            )
        loss = settings.loss and create(settings.loss, "train.loss")
        hardest = settings.hardest_keypoints
        return {
            "loss": KeypointLoss(
                codec.stride, codec.sigma, hardest, loss, encoding=codec.encoding
            ),
            "metrics": [KeypointAccuracy(codec.stride, encoding=codec.encoding)],
        }


class PoseTrainingData:
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def __init__(self, config: PoseConfig, manifest: PoseManifest):
        self.config = config
        self.keypoints = manifest.keypoints
        self.geometry = crop_geometry(manifest)
        data = config.data
        self.part = open_part(data, data.train, self.keypoints)
        people = self.part.annotated()
        self.reader = CropReader(people, config.model.size, data.on_error, data.reading)

    def __len__(self) -> int:
        return len(self.reader.people)

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random crops and their keypoints."""
        data, settings = self.config.data, self.config.train
        people = self.reader.people
        if settings.keypoint_weights:
            people = weighted(people, self.keypoints)
        epoch = random_epochs(
            people,
            self.keypoints,
            data.augmentation,
            self.geometry,
            steps * settings.batch_size,
            self.config.seed,
        )
        return training_batches(self.reader, epoch, epochs, settings.batch_size)

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here a broken image is an InputError."""
        return self.reader.broken.explained()

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        data = self.config.data
        where = data.train.annotations
        check_people(self.reader, data.padding, where)
        seen = (self.reader.people.keypoints[..., 2] > 0).sum(axis=0)
        counts = dict(zip(self.keypoints.names, map(int, seen), strict=True))
        warn_of_unseen(counts, where)

    def survey(self) -> Survey:
        """Annotated keypoints by name."""
        part = self.part
        return survey_people(self.reader, self.keypoints, part.broken, part.notes)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Crops with the annotated keypoints on them."""
        height, width = images.shape[1:3]
        box = np.array([[0, 0, width, height]], np.float32)
        sure = np.ones(1, np.float32)
        pictures = []
        for crop, points in zip(images, targets, strict=True):
            found = points[None].astype(np.float32)
            pose = Pose(found[..., :2], found[..., 2], box, sure, self.keypoints)
            pictures.append(show_pose(crop, pose))
        return contact_sheet(pictures, COLUMNS)


def weighted(people: People, keypoint_set: KeypointSet) -> People:
    """People whose keypoints weigh what the set says."""
    if not keypoint_set.weights:
        raise InputError(
            "`train.keypoint_weights` is true, but the keypoint set "
            f"{keypoint_set.name} has no `weights`."
        )
    keypoints = people.keypoints.copy()
    keypoints[..., 2] *= np.array(keypoint_set.weights)
    return replace(people, keypoints=keypoints)
