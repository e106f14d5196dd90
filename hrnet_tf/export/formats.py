"""The kinds of files that a network can be exported to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from hrnet_tf.export.onnx import write_onnx
from hrnet_tf.export.options import Options
from hrnet_tf.export.quantisation import RECIPES
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.export.tflite import quantised, write_decoded, write_tflite
from hrnet_tf.manifest import TaskManifest

# Writes a network that takes normalised images, and returns the facts of what it wrote.
Writer = Callable[[keras.Model, TaskManifest, Path, Options], TaskManifest]

# The largest difference from the Keras model, as a share of the answers' range.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        file_name: of the artefact.
        write: writes it.
        calibrated: whether it needs images to measure ranges on.
        tolerance: what may differ from the model, as a share of the answers' range;
            None: any number, since fewer bits answer differently (`hrnet-tf benchmark`
            tells by how much).
        decodes: whether it gives keypoints, classes or labels.
    """

    file_name: str
    write: Writer
    calibrated: bool = False
    tolerance: float | None = TOLERANCE
    decodes: bool = False


FORMATS: dict[str, Format] = {
    "savedmodel": Format("savedmodel", write_savedmodel),
    "tflite": Format("model.tflite", write_tflite),
    **{
        f"tflite_{kind}": Format(
            f"model_{kind}.tflite", quantised(kind), recipe.calibrated, tolerance=None
        )
        for kind, recipe in RECIPES.items()
    },
    "tflite_decoded": Format("model_decoded.tflite", write_decoded, decodes=True),
    "onnx": Format("model.onnx", write_onnx),
}

# What one exports without naming formats: the network as it is, for every runtime.
DEFAULTS = ("savedmodel", "tflite", "onnx")
