"""What a model takes and what its answers mean: the facts beside an artefact."""

import dataclasses
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.reading import Orientation
from hrnet_tf.common.text_files import as_json
from hrnet_tf.common.version import __version__
from hrnet_tf.images.limits import Limits
from hrnet_tf.images.preprocess import MEAN, STD, ColorOrder, preprocess_input


@dataclass(frozen=True)
class Quantisation:
    """What the integers of a tensor mean: `real = (integer - zero_point) * scale`."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Output:
    """What a network answers, if it is no map: numbers, `(n, ...)`."""

    name: str = "answer"
    dtype: str = "float32"
    quantisation: Quantisation | None = None


@dataclass(frozen=True)
class ImageInput:
    """What a network takes: crops, `(value - mean) / std` of values in 0..255.

    Mean and deviation are those of the channels in the network's order of colours.
    """

    height: int
    width: int
    name: str = "image"
    color_order: ColorOrder = "RGB"
    layout: str = "NHWC"
    dtype: str = "float32"
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    any_size: bool = False  # whether it takes other heights and widths too
    # Of image files: as viewers show them, turned by their EXIF tag; or as stored.
    orientation: Orientation = "upright"
    quantisation: Quantisation | None = None  # of integers

    multiple: ClassVar[int] = 1  # of which sides are, of what takes other sizes too
    least: ClassVar[int] = 1  # that they may be then
    # How many images an ONNX file takes at once; None: any number.
    at_once: ClassVar[int | None] = None

    @property
    def shape(self) -> tuple[int | None, int | None]:
        """Height and width as a graph has them; None: any."""
        return (None, None) if self.any_size else self.size

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def normalised(self, images: tf.Tensor) -> tf.Tensor:
        """Images as the network takes them.

        Args:
            images: RGB `(..., width, 3)`, any type, 0..255.

        Returns:
            float32 of the same shape.
        """
        return preprocess_input(images, self.mean, self.std, self.color_order)


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
        made_of: SHA-256 of the run's weights that were exported; "": of no run.
    """

    format: str
    files: dict[str, str]
    operations: str = ""
    decodes: bool = False
    seal: str = ""
    made_of: str = ""


@dataclass(frozen=True)
class Manifest:
    """The facts of a trained model that are the same for every task.

    Example:
        ```python
        manifest = read_manifest("saved_models/demo/manifest.json")
        manifest.task, manifest.input.size  # "pose", (128, 96)
        ```
    """

    model: str
    input: ImageInput
    artefact: Artefact | None = field(default=None, kw_only=True)  # of exports
    limits: Limits | None = field(default=None, kw_only=True)  # of SavedModels

    def write(self, path: str | Path) -> None:
        """Write a manifest file, JSON."""
        write_text(path, self.as_json() + "\n")

    def as_json(self) -> str:
        """The content of a manifest file."""
        return as_json(dataclasses.asdict(self), indent=2)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that the network tells apart, if it does."""
        return ()

    def with_flip(self, flip: bool) -> Any:
        """The same, averaged with the mirrored image or not.

        Raises:
            InputError: if it is to be, and models of this task cannot.
        """
        if flip:
            raise InputError(
                f"{self.model} cannot average with the mirrored image; leave the flip "
                "away."
            )
        return self


class TaskManifest(Protocol):
    """What every task's manifest has, a frozen dataclass that inherits `Manifest`.

    Attributes:
        task: name of the task.
        output: what the network answers: an `Output`, or a map's, with `layout` too.
        versions: see `versions`.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def input(self) -> ImageInput: ...  # noqa: D102
    @property
    def output(self) -> Any: ...  # noqa: D102
    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def artefact(self) -> Artefact | None: ...  # noqa: D102
    @property
    def limits(self) -> Limits | None: ...  # noqa: D102
    @property
    def versions(self) -> dict[str, str]: ...  # noqa: D102
    @property
    def class_names(self) -> tuple[str, ...]: ...  # noqa: D102

    def with_flip(self, flip: bool) -> "TaskManifest":
        """The same, averaged with the mirrored image or not."""

    def write(self, path: str | Path) -> None: ...  # noqa: D102
    def as_json(self) -> str: ...  # noqa: D102


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
