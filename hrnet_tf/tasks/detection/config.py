"""What the configuration of a detection experiment may say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

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
# Of so many that are drawn of an image at least one may be an object's.
LEAST_DRAWN: Mapping[str, int] = {"anchors": 2, "regions": 4}


@dataclass(frozen=True)
class Numbers:
    """Numbers of which each has a published value, which null stands for."""

    def given(self) -> dict[str, Any]:
        """Those that are not null."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class ProposalNumbers(Numbers):
    """Where objects may be, while a network looks at images; see `train.learning`."""

    before: int | None = None  # the best of each level that are looked at (1000)
    most: int | None = None  # an image: the box head looks at them (1000)

    def __post_init__(self):
        for key, value in self.given().items():
            positive(f"model.proposals.{key}", value)


@dataclass(frozen=True)
class DetectionNumbers(Numbers):
    """What becomes of the box head's answers."""

    least: float | None = None  # scores must be higher (0.05)
    # A box goes that shares more with a better one of its class (0.5).
    overlap: float | None = None
    most: int | None = None  # objects an image (100)

    def __post_init__(self):
        for key, value in self.given().items():
            check = positive if key == "most" else share
            check(f"model.detections.{key}", value)


@dataclass(frozen=True)
class LearningNumbers(Numbers):
    """What is learnt from; small images with few objects need far less."""

    before: int | None = None  # the best of each level that are looked at (2000)
    # An image, among which regions are drawn (1000; of cascades 2000).
    proposals: int | None = None
    anchors: int | None = None  # an image: the proposal head learns from them (256)
    # An image: box heads learn from them (512). A quarter may be objects', from which
    # mask heads learn.
    regions: int | None = None

    def __post_init__(self):
        for key, value in self.given().items():
            at_least(f"train.learning.{key}", LEAST_DRAWN.get(key, 1), value)


@dataclass(frozen=True)
class DetectorModel(NetworkSection):
    """The network."""

    name: Literal["HRNetDetector"] = "HRNetDetector"
    cascade: bool = False  # three box heads, each on the boxes of the one before
    masks: bool = False  # find the outline of each object too
    # Whether batch norm learns from batches; else it keeps the body's statistics, as
    # published, since a GPU holds two images.
    batch_statistics: bool = False
    # Channels of the pyramid and of convolutions on it: nearly all the work of a narrow
    # network on small images.
    features: int = 256
    hidden: int = 1024  # numbers of each hidden layer of the box heads
    proposals: ProposalNumbers = field(default_factory=ProposalNumbers)
    detections: DetectionNumbers = field(default_factory=DetectionNumbers)
    # Height and width of what exports of a fixed size take.
    size: tuple[int, int] = (800, 1344)

    def __post_init__(self):
        super().__post_init__()
        positive("model.features", self.features)
        positive("model.hidden", self.hidden)
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

    flip_probability: float = 0.5  # share of samples that are mirrored
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
    # Whose files these are, and with that how predictions are judged.
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
    xla: bool | None = False  # it cannot be used
    learning: LearningNumbers = field(default_factory=LearningNumbers)

    def __post_init__(self):
        super().__post_init__()
        if self.xla is not False:
            value = "null" if self.xla is None else "true"
            raise InputError(
                f"`train.xla` of detection must be false, got {value}: XLA needs sizes "
                "that are known before, and how many regions lie on each level of the "
                "pyramid is not. Leave it away."
            )
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

    task: Literal["detection"] = "detection"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: DetectorModel = field(default_factory=DetectorModel)
    data: DetectionData = field(default_factory=DetectionData)
    train: DetectionTrain = field(default_factory=DetectionTrain)
    evaluate: DetectionEvaluate = field(default_factory=DetectionEvaluate)


def at_least(key: str, least: int, value: int) -> None:
    """Raise an InputError that names the key if a value is too small."""
    if value < least:
        raise InputError(f"`{key}` must be at least {least}, got {value}.")
