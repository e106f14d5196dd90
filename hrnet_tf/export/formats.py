"""The kinds of files that a network can be exported to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from hrnet_tf.export.onnx import OPSET, write_onnx
from hrnet_tf.export.onnx_int8 import write_onnx_int8
from hrnet_tf.export.openvino import write_openvino, write_openvino_int8
from hrnet_tf.export.options import Options
from hrnet_tf.export.quantisation import RECIPES
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.export.tflite import quantised, write_decoded, write_tflite
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.serving import TOLERANCE

# Writes a network that takes normalised images, and returns the facts of what it wrote.
Writer = Callable[[keras.Model, TaskManifest, Path, Options], TaskManifest]


TFLITE = "TFLite built-in"
OPENVINO = "OpenVINO IR 11"


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
        operations: what a runtime must know to run it; for the manifest.
        decodes: whether it gives keypoints, classes or labels.
        served: whether it lies in the run's folder itself, where a server looks for
            versions.
    """

    file_name: str
    write: Writer
    calibrated: bool = False
    tolerance: float | None = TOLERANCE
    operations: str = ""
    decodes: bool = False
    served: bool = False


FORMATS: dict[str, Format] = {
    "savedmodel": Format("{version}", write_savedmodel, served=True),
    "tflite": Format("model.tflite", write_tflite, operations=TFLITE),
    **{
        f"tflite_{kind}": Format(
            f"model_{kind}.tflite",
            quantised(kind),
            recipe.calibrated,
            tolerance=None,
            operations=TFLITE,
        )
        for kind, recipe in RECIPES.items()
    },
    "tflite_decoded": Format(
        "model_decoded.tflite", write_decoded, operations=TFLITE, decodes=True
    ),
    "onnx": Format("model.onnx", write_onnx, operations=f"ONNX opset {OPSET}"),
    "onnx_int8": Format(
        "model_int8.onnx",
        write_onnx_int8,
        calibrated=True,
        tolerance=None,
        operations=f"ONNX opset {OPSET}",
    ),
    "openvino": Format("model.xml", write_openvino, operations=OPENVINO),
    "openvino_int8": Format(
        "model_int8.xml",
        write_openvino_int8,
        calibrated=True,
        tolerance=None,
        operations=OPENVINO,
    ),
}
