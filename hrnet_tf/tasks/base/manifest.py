"""What a model takes and what its answers mean: the facts beside an artefact."""

import dataclasses
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.text_files import as_json
from hrnet_tf.common.typed_yaml import load_yaml, merge
from hrnet_tf.common.version import __version__
from hrnet_tf.images.boxes import REACH
from hrnet_tf.images.header import Orientation
from hrnet_tf.images.preprocess import MEAN, PADDING, STD
from hrnet_tf.tasks.keypoints.heatmaps import HeatmapCodec, Refinement
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.segmentation.classes import ClassSet


@dataclass(frozen=True)
class Quantisation:
    """What the integers of a tensor mean: `real = (integer - zero_point) * scale`."""

    scale: float
    zero_point: int


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
    any_size: bool = False  # whether it takes other heights and widths too
    # Of image files: as viewers show them, turned by their EXIF tag; or as stored.
    orientation: Orientation = "upright"
    quantisation: Quantisation | None = None  # of integers

    @property
    def shape(self) -> tuple[int | None, int | None]:
        """Height and width as a graph has them; None: any."""
        return (None, None) if self.any_size else self.size

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
    quantisation: Quantisation | None = None

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
class LogitsOutput:
    """What a classifier answers: one number a class, before softmax."""

    name: str = "logits"
    dtype: str = "float32"
    quantisation: Quantisation | None = None


@dataclass(frozen=True)
class DenseOutput:
    """What a network answers for every cell of a map."""

    stride: int = 4  # image pixels per cell
    align_corners: bool = False  # how cells are resized to pixels
    name: str = ""
    layout: str = "NHWC"
    dtype: str = "float32"
    quantisation: Quantisation | None = None


@dataclass(frozen=True)
class LogitMapOutput(DenseOutput):
    """What a labelling network answers: one number a class and cell, before softmax."""

    name: str = "logits"


@dataclass(frozen=True)
class MapOutput(DenseOutput):
    """What a regression network answers: one number a channel and cell."""

    name: str = "maps"


@dataclass(frozen=True)
class Views:
    """How an image is looked at; what is seen is averaged."""

    short_side: int | None = None  # resized to this first, in pixels; None: as it is
    stretch: bool = False  # resized to the input's size first
    flip: bool = False  # mirrored too
    scales: tuple[float, ...] = (1.0,)  # enlarged and made smaller
    window: bool = False  # through a window of the input's size that slides over it
    stride_share: float = 2 / 3  # of the window, from one place to the next


@dataclass(frozen=True)
class Limits:
    """What requests for a SavedModel may ask.

    More is refused before anything is decoded, so that no request takes a server's
    memory.

    Attributes:
        side: pixels along an image's longer side.
        pixels: of one image; where the network sees all of it, at the size that it
            sees too.
        images: in a batch, of normalised ones too.
        people: in a batch, whom the boxes say; 0 where there are no boxes.
        reach: how far a box may go beyond its image, in lengths of the image's longer
            side; see `hrnet_tf.images.boxes`.
    """

    side: int
    pixels: int
    images: int
    people: int = 0
    reach: float = REACH


@dataclass(frozen=True)
class Artefact:
    """What holds for one exported file or folder.

    Attributes:
        format: what it is, a name from `hrnet_tf.export.formats.FORMATS`.
        files: SHA-256 of each of its files, and of the recorded answers, by their paths
            from the manifest's folder.
        operations: what a runtime must know to run it, such as `"ONNX opset 17"`.
        decodes: whether it answers with keypoints, classes or labels (see
            `hrnet_tf.tasks.base.decoding`) in place of `output`.
        seal: SHA-256 of the manifest itself, but for this entry.
    """

    format: str
    files: dict[str, str]
    operations: str = ""
    decodes: bool = False
    seal: str = ""


@dataclass(frozen=True)
class Manifest:
    """The facts of a trained model that are the same for every task.

    Example:
        ```python
        manifest = Manifest.read("saved_models/demo/manifest.json")
        manifest.task, manifest.input.size  # "pose", (128, 96)
        ```
    """

    model: str
    input: ImageInput
    artefact: Artefact | None = field(default=None, kw_only=True)  # of exports
    limits: Limits | None = field(default=None, kw_only=True)  # of SavedModels

    @staticmethod
    def read(path: str | Path) -> "TaskManifest":
        """Read a manifest file of any task; errors are those of `typed_yaml.merge`."""
        given = load_yaml(Path(path))
        task = given.get("task")
        if task not in MANIFESTS:
            raise InputError(
                f"{path}: `task` must be one of {', '.join(MANIFESTS)}, got {task!r}."
            )
        return merge(MANIFESTS[task], given, where=str(path))

    def write(self, path: str | Path) -> None:
        """Write a manifest file, JSON."""
        write_text(path, self.as_json() + "\n")

    def as_json(self) -> str:
        """The content of a manifest file."""
        return as_json(dataclasses.asdict(self), indent=2)


@dataclass(frozen=True)
class PoseManifest(Manifest):
    """The facts of a trained top-down pose model."""

    output: HeatmapOutput
    keypoints: KeypointSet
    decoding: Decoding
    task: Literal["pose"] = "pose"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def codec(self) -> HeatmapCodec:
        """Between keypoints and heatmaps."""
        return HeatmapCodec(
            self.output.stride, self.decoding.sigma, self.decoding.refinement
        )


@dataclass(frozen=True)
class ClassificationManifest(Manifest):
    """The facts of a trained image classifier."""

    classes: tuple[str, ...]
    output: LogitsOutput = LogitsOutput()
    crop_share: float = 0.875  # of an image's shorter side that is looked at
    flip: bool = False  # average with the mirrored image
    task: Literal["classification"] = "classification"
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentationManifest(Manifest):
    """The facts of a trained labelling network."""

    output: LogitMapOutput
    classes: ClassSet
    views: Views = Views()
    task: Literal["segmentation"] = "segmentation"
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegressionManifest(Manifest):
    """The facts of a trained network of dense regression."""

    output: MapOutput
    channels: ChannelSet  # in the unit that the data were learnt in
    views: Views = Views()
    # From where to where the training data's channels go, for the colours of pictures.
    spans: tuple[tuple[float, float], ...] = ()
    task: Literal["regression"] = "regression"
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        spans = tuple((low, high) for low, high in self.spans)  # lists from JSON
        object.__setattr__(self, "spans", spans)


# What has an answer for every pixel.
DenseManifest = SegmentationManifest | RegressionManifest
TaskManifest = (
    PoseManifest | ClassificationManifest | SegmentationManifest | RegressionManifest
)

MANIFESTS: dict[str, type[TaskManifest]] = {
    "pose": PoseManifest,
    "classification": ClassificationManifest,
    "segmentation": SegmentationManifest,
    "regression": RegressionManifest,
}


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
