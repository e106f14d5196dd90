"""What a model takes and what its answers mean: the facts beside an artefact."""

import dataclasses
import json
import platform
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.codecs.heatmaps import HeatmapCodec, Refinement
from hrnet_tf.labels import KeypointSet
from hrnet_tf.opencv import cv2
from hrnet_tf.preprocess import MEAN, PADDING, STD
from hrnet_tf.typed_yaml import read_typed
from hrnet_tf.version import __version__


@dataclass(frozen=True)
class ImageInput:
    """What a network takes: crops, `(value - mean) / std` of values in 0..255."""

    height: int
    width: int
    name: str = "image"
    color_order: str = "RGB"
    layout: str = "NHWC"
    dtype: str = "float32"
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class HeatmapOutput:
    """What it answers: one heatmap a keypoint."""

    height: int
    width: int
    stride: int  # crop pixels per cell
    name: str = "heatmaps"
    layout: str = "NHWC"
    dtype: str = "float32"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class Decoding:
    """How heatmaps become keypoints."""

    refinement: Refinement = "quarter"
    sigma: float = 2.0  # of the Gaussians that were learnt, in cells
    padding: float = PADDING  # a crop is this much larger than the box
    flip: bool = False  # average with the mirrored crop
    shift: bool = True  # ... whose heatmaps are moved by one cell


@dataclass(frozen=True)
class Manifest:
    """The facts of a trained top-down pose model.

    Example:
        ```python
        manifest = Manifest.read("saved_models/demo/manifest.json")
        manifest.input.size, manifest.keypoints.names[0]  # (128, 96), "nose"
        ```
    """

    model: str
    input: ImageInput
    output: HeatmapOutput
    keypoints: KeypointSet
    decoding: Decoding
    task: str = "pose"
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> "Manifest":
        """Read a manifest file; errors are those of `typed_yaml.merge`."""
        return read_typed(cls, path)

    def write(self, path: str | Path) -> None:
        """Write a manifest file, JSON."""
        Path(path).write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @property
    def codec(self) -> HeatmapCodec:
        """Between keypoints and heatmaps."""
        return HeatmapCodec(
            self.output.stride, self.decoding.sigma, self.decoding.refinement
        )


def versions() -> dict[str, str]:
    """Versions of what numbers depend on."""
    return {
        "hrnet_tf": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
