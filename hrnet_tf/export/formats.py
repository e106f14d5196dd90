"""The kinds of files that a network can be exported to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from hrnet_tf.export.onnx import write_onnx
from hrnet_tf.export.options import Options
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.export.tflite import write_tflite
from hrnet_tf.manifest import TaskManifest

# Writes a network that takes normalised images, and returns the facts of what it wrote.
Writer = Callable[[keras.Model, TaskManifest, Path, Options], TaskManifest]

# The largest difference from the Keras model, as a share of the answers' range.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        file_name: of the artefact; `{version}` stands for the version.
        write: writes it.
        calibrated: whether it needs images to measure ranges on.
        tolerance: what may differ from the model, as a share of the answers' range;
            None: any number, since fewer bits answer differently (`hrnet-tf benchmark`
            tells by how much).
        served: whether it lies in the run's folder itself, where a server looks for
            versions.
    """

    file_name: str
    write: Writer
    calibrated: bool = False
    tolerance: float | None = TOLERANCE
    served: bool = False


FORMATS: dict[str, Format] = {
    "savedmodel": Format("{version}", write_savedmodel, served=True),
    "tflite": Format("model.tflite", write_tflite),
    "onnx": Format("model.onnx", write_onnx),
}

# What one exports without naming formats: the network as it is, for every runtime.
DEFAULTS = ("savedmodel", "tflite", "onnx")
