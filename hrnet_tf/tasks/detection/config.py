"""What the configuration of a detection experiment may say."""

from dataclasses import dataclass, field
from typing import Literal

from hrnet_tf.common.config import (
    ColorSection,
    Component,
    FilesSection,
    NetworkSection,
    TrainSection,
    positive,
    share,
)
from hrnet_tf.common.errors import InputError

MULTIPLE = 32  # of which the sides of what the network takes are
LEAST_SIDE = 64  # which they are at least: the last level has a cell then


@dataclass(frozen=True)
class DetectorModel(NetworkSection):
    """The network."""

    name: Literal["HRNetDetector"] = "HRNetDetector"
    cascade: bool = False  # three box heads, each on the boxes of the one before
    masks: bool = False  # find the outline of each object too
    # Whether batch norm learns from batches; else it keeps the body's statistics, as
    # published, since a GPU holds two images.
    batch_statistics: bool = False
    # Height and width of what exports of a fixed size take.
    size: tuple[int, int] = (800, 1344)

    def __post_init__(self):
        super().__post_init__()
        if any(side % MULTIPLE for side in self.size):
            raise InputError(
                f"`model.size` of detectors must be multiples of {MULTIPLE}, got "
                f"{list(self.size)}."
            )


@dataclass(frozen=True)
class ObjectsSection:
    """One part of a data set."""

    annotations: str = "???"  # COCO annotations (JSON), or WIDER FACE's list (.txt)
    images: str = "???"  # folder of the images
    # Folder of WIDER FACE's lists of faces that count: wider_easy_val.mat, ...
    subsets: str | None = None


@dataclass(frozen=True)
class ObjectsAugmentation(ColorSection):
    """Random changes of training images; the defaults are the published recipe."""

    flip_probability: float = 0.5
    # One is drawn for each image, in place of the short side of data.scale.
    short_sides: tuple[int, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        share("data.augmentation.flip_probability", self.flip_probability)
        if self.short_sides:
            positive("data.augmentation.short_sides", *self.short_sides)


@dataclass(frozen=True)
class DetectionData(FilesSection):
    """Where samples come from, and how large images are looked at."""

    train: ObjectsSection = field(default_factory=ObjectsSection)
    validation: ObjectsSection = field(default_factory=ObjectsSection)
    format: Literal["coco", "wider_face"] = "coco"
    # A shipped set, a YAML file or a list of names; "": those of train.annotations.
    classes: str = ""
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken samples
    # Largest longer and shorter side that images are brought to, in pixels.
    scale: tuple[int, int] = (1333, 800)
    empty_images: bool = False  # whether images without objects are learnt from too
    # Sides of batches are multiples of this; fewer sizes are fewer compilations.
    bucket: int = 128
    augmentation: ObjectsAugmentation = field(default_factory=ObjectsAugmentation)

    def __post_init__(self):
        super().__post_init__()
        positive("data.scale", *self.scale)
        if self.scale[0] < self.scale[1]:
            raise InputError(
                "`data.scale` must be the longer side, then the shorter one, got "
                f"{list(self.scale)}."
            )
        if self.bucket <= 0 or self.bucket % MULTIPLE:
            raise InputError(
                f"`data.bucket` must be a positive multiple of {MULTIPLE}, got "
                f"{self.bucket}."
            )


def _published_optimizer() -> Component:
    arguments = {"momentum": 0.9, "coupled_weight_decay": 0.0001}
    return Component("hrnet_tf.optimizers.CoupledSGD", arguments)


@dataclass(frozen=True)
class DetectionTrain(TrainSection):
    """The recipe; the defaults are the published 1x schedule."""

    epochs: int = 12
    batch_size: int = 16
    learning_rate: float = 0.02
    drop_at: tuple[int, ...] = (8, 11)
    warmup_steps: int = 500
    optimizer: Component = field(default_factory=_published_optimizer)

    def __post_init__(self):
        super().__post_init__()
        if self.loss is not None:
            raise InputError(
                "`train.loss` of detection cannot be another one, since it is of "
                "proposals, classes, boxes and masks together."
            )


@dataclass(frozen=True)
class DetectionEvaluate:
    """How predictions are made and judged."""

    batch_size: int = 1  # images that are looked at together, if their sizes agree

    def __post_init__(self):
        positive("evaluate.batch_size", self.batch_size)


@dataclass(frozen=True)
class DetectionConfig:
    """One experiment in detection."""

    task: Literal["detection"] = "detection"
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0
    model: DetectorModel = field(default_factory=DetectorModel)
    data: DetectionData = field(default_factory=DetectionData)
    train: DetectionTrain = field(default_factory=DetectionTrain)
    evaluate: DetectionEvaluate = field(default_factory=DetectionEvaluate)
