"""How bright an image is: a task from outside, on a network of the family.

`FOLDER/train` and `FOLDER/val` hold images and `brightness.csv`: a line `FILE,NUMBER`
for each image, from 0 to 1.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
from hrnet_tf import own_task


@dataclass(frozen=True)
class BrightnessModel(own_task.NetworkSection):
    head_planes: tuple[int, int, int, int] = (4, 8, 16, 32)
    features: int = 64


@dataclass(frozen=True)
class BrightnessConfig:
    task: Literal["brightness"] = "brightness"
    output: str = ""
    seed: int = 0
    model: BrightnessModel = field(default_factory=BrightnessModel)
    data: own_task.ImageFolder = field(default_factory=own_task.ImageFolder)
    train: own_task.TrainSection = field(default_factory=own_task.TrainSection)
    evaluate: own_task.ImageEvaluate = field(default_factory=own_task.ImageEvaluate)


@dataclass(frozen=True)
class BrightnessManifest(own_task.Manifest):
    output: own_task.Output = field(default_factory=lambda: own_task.Output("logit"))
    task: Literal["brightness"] = "brightness"
    versions: dict[str, str] = field(default_factory=dict)


DECODER = own_task.Decoder(
    lambda logit, manifest: {"brightness": tf.sigmoid(logit)},
    lambda found, manifest: found["brightness"],
    {
        "logit": own_task.Answer("A number before the sigmoid."),
        "brightness": own_task.Answer("From 0, black, to 1, white."),
    },
)
SIGNATURE = own_task.image_signature(
    "brightness", DECODER, (1,), {"brightness": own_task.TOLERANCE}
)


class BrightnessPredictor(own_task.ImagePredictor):
    in_graph = staticmethod(own_task.decoding(DECODER))

    def predict(self, image) -> float:
        """How bright an image is, from 0 to 1."""
        return float(super().predict(image)[0])


class BrightnessExperiment(own_task.ImageExperiment):
    predictor = BrightnessPredictor
    monitor = "closeness"

    def images(self, part):
        """The images that the list names."""
        folder = Path(self.config.data.root, part)
        table = folder / "brightness.csv"
        with open(table, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        try:
            targets = np.array([[float(number)] for _, number in rows], np.float32)
            if not ((targets >= 0) & (targets <= 1)).all():
                raise ValueError("a number is not from 0 to 1")
        except ValueError as error:
            problem = f"{table} must hold lines of FILE,NUMBER: {error}."
            raise hrnet_tf.InputError(problem) from None
        files = [folder / name for name, _ in rows]
        caption = lambda number: f"{number[0]:.2f}"  # noqa: E731
        return own_task.ImageFiles(files, targets, self.config, str(folder), caption)

    def make_manifest(self):
        """The facts of the model."""
        title = f"Brightness, width {self.config.model.width}"
        return BrightnessManifest(title, self.input(), versions=own_task.versions())

    def build_network(self, manifest, weights, *, synchronized=False):
        """Normalised images to one logit."""
        section = self.config.model.beginning_with(weights)
        return own_task.build_network(
            hrnet_tf.HRNetClassifier,
            section,
            1,
            synchronized=synchronized,
            head_planes=section.head_planes,
            features=section.features,
        )

    def compile_settings(self, manifest):
        """The loss that the configuration names, or cross-entropy with a share."""
        named = self.config.train.loss and own_task.named_loss(self.config.train.loss)
        return {"loss": named or keras.losses.BinaryCrossentropy(from_logits=True)}

    def judge(self, answers, targets):
        """One minus the mean error, so that higher is better."""
        return {"closeness": 1 - float(np.abs(answers - targets).mean())}


class BrightnessViewer(own_task.Viewer):
    file_name = "brightness.json"

    def look(self, name, image_id, image):
        """Note the brightness, and write it on the image."""
        found = self.predictor.predict(image)
        entry = {"file_name": name, "image_id": image_id, "brightness": found}
        self.entries.append(entry)
        return own_task.write_note(image, f"brightness {found:.2f}")

    def count(self):
        """How much was found."""
        return f"{len(self.entries)} numbers"


PARTS = own_task.Parts(
    BrightnessManifest,
    BrightnessExperiment,
    BrightnessPredictor,
    BrightnessViewer,
    SIGNATURE,
    DECODER,
)
TASK = own_task.Task("brightness", BrightnessConfig, lambda: PARTS)
