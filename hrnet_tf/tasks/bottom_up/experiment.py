"""Bottom-up pose, tied together: scenes, HigherHRNet, people's loss, COCO's AP."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import warn_of_unseen
from hrnet_tf.images.sheets import COLUMNS, contact_sheet
from hrnet_tf.networks.building import build_network
from hrnet_tf.tasks.base.experiment import behind_normalisation
from hrnet_tf.tasks.base.manifest import versions
from hrnet_tf.tasks.bottom_up.config import MULTIPLE, BottomUpConfig
from hrnet_tf.tasks.bottom_up.evaluator import BottomUpEvaluator, judged_people
from hrnet_tf.tasks.bottom_up.losses import PeopleLoss
from hrnet_tf.tasks.bottom_up.manifest import (
    BottomUpManifest,
    Looks,
    MapsOutput,
    SceneInput,
)
from hrnet_tf.tasks.bottom_up.network import HigherHRNet
from hrnet_tf.tasks.bottom_up.pipeline import (
    STRIDES,
    Targets,
    random_epochs,
    training_batches,
)
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.bottom_up.result import PeoplePose
from hrnet_tf.tasks.bottom_up.scenes import CocoScenes
from hrnet_tf.tasks.bottom_up.survey import (
    check_scenes,
    seen_keypoints,
    survey_scenes,
)
from hrnet_tf.tasks.keypoints.crops import CropReader
from hrnet_tf.tasks.keypoints.drawing import show_pose
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet


class BottomUpExperiment:
    """See `hrnet_tf.tasks.base.experiment.Experiment`."""

    predictor = BottomUpPredictor

    def __init__(self, config: BottomUpConfig):
        self.config = config
        if config.train.loss is not None:
            raise InputError(
                "`train.loss` of bottom-up pose cannot be another one, since it is of "
                "heatmaps and tags; `train.heatmaps`, `train.pull` and `train.push` "
                "weigh its parts."
            )

    def make_manifest(self) -> BottomUpManifest:
        """The facts of the model that the configuration describes."""
        model, data = self.config.model, self.config.data
        manifest = BottomUpManifest(
            f"{model.name} width {model.width}",
            SceneInput(*model.size, orientation=data.orientation, multiple=MULTIPLE),
            MapsOutput(),
            KeypointSet.read(data.keypoints),
            Looks(model.size[0]),
            versions=versions(),
        )
        judged = judged_people(manifest, data, self.config.evaluate)
        # As the other tasks: what is exported looks once, unless it is asked to.
        looks = replace(judged.looks, flip=False, scales=(1.0,))
        return replace(judged, looks=looks)

    def build_network(
        self,
        manifest: BottomUpManifest,
        weights: str | None,
        *,
        synchronized: bool = False,
    ) -> keras.Model:
        """Normalised images of any size to heatmaps and tags."""
        body = self.config.model.body if weights is None else None
        section = replace(self.config.model, weights=weights, body=body)
        return build_network(
            HigherHRNet,
            section,
            len(manifest.keypoints),
            synchronized=synchronized,
            input_shape=(None, None, 3),
        )

    def training_data(self, manifest: BottomUpManifest) -> "BottomUpTrainingData":
        """Every image in which somebody is annotated."""
        return BottomUpTrainingData(self.config, manifest.keypoints)

    def judged(self, manifest: BottomUpManifest) -> BottomUpManifest:
        """Looks, grouping and sigmas as the configuration has them."""
        return judged_people(manifest, self.config.data, self.config.evaluate)

    def evaluator(self, manifest: BottomUpManifest) -> BottomUpEvaluator:
        """Judges by COCO's metric, or CrowdPose's for its images."""
        return BottomUpEvaluator(self.config.data, self.config.evaluate, manifest)

    def training_model(self, network: keras.Model) -> keras.Model:
        """From uint8 images to heatmaps and tags."""
        return behind_normalisation(network, self.config.model.size)

    def compile_settings(self, manifest: BottomUpManifest) -> dict[str, Any]:
        """The loss of both answers, given people."""
        settings, data = self.config.train, self.config.data
        widest = 0.0
        if data.adaptive_sigma != "no":
            widest = self.training_data(manifest).targets.widest
        loss = {
            name: PeopleLoss(
                data.sigma, widest, settings.heatmaps, settings.pull, settings.push
            )
            for name in STRIDES
        }
        return {"loss": loss}


class BottomUpTrainingData:
    """See `hrnet_tf.tasks.base.experiment.TrainingData`."""

    def __init__(self, config: BottomUpConfig, keypoints: KeypointSet):
        self.config = config
        self.keypoints = keypoints
        data = config.data
        crowds = data.format == "crowdpose"
        self.source = CocoScenes(data.train, keypoints, data.on_error, crowds)
        self.scenes = self.source.scenes(annotated=True, masked=data.masks)
        size = config.model.size
        images = self.scenes.images
        self.reader = CropReader(images, size, data.on_error, data.reading)
        self.targets = Targets(self.scenes, data, size[0], keypoints.mirror)

    def __len__(self) -> int:
        return len(self.scenes)

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Random looks, people, and what counts."""
        size = self.config.train.batch_size
        epoch = random_epochs(
            self.scenes, self.config.data, steps * size, self.config.seed
        )
        return training_batches(self.reader, self.targets, epoch, epochs, size)

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here a broken image is an InputError."""
        return self.reader.broken.explained()

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        where = self.config.data.train.annotations
        check_scenes(self.reader, where)
        warn_of_unseen(seen_keypoints(self.scenes, self.keypoints), where)

    def survey(self) -> Survey:
        """Annotated keypoints by name."""
        broken, notes = self.source.broken, self.source.notes
        return survey_scenes(self.reader, self.scenes, self.keypoints, broken, notes)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Images with everyone who is annotated in them."""
        pictures = []
        name = "heatmaps"
        for image, people in zip(images, targets[name], strict=True):
            seen = people[(people[..., 2] > 0).any(axis=1)][..., :3]
            places = seen[..., :2] * STRIDES[name]
            sure = np.ones(len(seen), np.float32)
            found = PeoplePose.from_groups(places, seen[..., 2], sure, self.keypoints)
            pictures.append(show_pose(image, found))
        return contact_sheet(pictures, COLUMNS)
