"""What the configuration of a bottom-up pose experiment may say."""

from dataclasses import dataclass, field
from typing import Literal

from hrnet_tf.common.config import (
    FilesSection,
    NetworkSection,
    TrainSection,
    not_negative,
    positive,
    share,
)
from hrnet_tf.common.errors import InputError

MULTIPLE = 32  # of which the sides of what the network takes are


@dataclass(frozen=True)
class BottomUpModel(NetworkSection):
    """The network."""

    name: Literal["HigherHRNet"] = "HigherHRNet"
    # Height and width of training images; the height is the short side in evaluation.
    size: tuple[int, int] = (512, 512)

    def __post_init__(self):
        super().__post_init__()
        if self.size[0] != self.size[1] or self.size[0] % MULTIPLE:
            raise InputError(
                f"`model.size` of bottom-up pose must be a square whose sides are "
                f"multiples of {MULTIPLE}, got {list(self.size)}."
            )


@dataclass(frozen=True)
class ScenesSection:
    """One part of a data set."""

    annotations: str = "???"  # COCO keypoint annotations, JSON
    images: str = "???"  # folder of the images


@dataclass(frozen=True)
class AugmentationSection:
    """Random changes of training images; the defaults are the official recipe."""

    scale: tuple[float, float] = (0.75, 1.5)  # of what is seen, from and to
    rotation: float = 30.0  # degrees, the largest
    shift: float = 0.2  # largest, as a share of what is seen
    flip_probability: float = 0.5  # share of samples that are mirrored
    fit: Literal["short", "long"] = "short"  # the side of an image that is seen whole

    def __post_init__(self):
        positive("data.augmentation.scale", *self.scale)
        if self.scale[0] > self.scale[1]:
            raise InputError(
                f"`data.augmentation.scale` must rise, got {list(self.scale)}."
            )
        not_negative("data.augmentation.rotation", self.rotation)
        not_negative("data.augmentation.shift", self.shift)
        share("data.augmentation.flip_probability", self.flip_probability)


@dataclass(frozen=True)
class BottomUpData(FilesSection):
    """Where samples come from, and what the network shall answer."""

    train: ScenesSection = field(default_factory=ScenesSection)
    validation: ScenesSection = field(default_factory=ScenesSection)
    keypoints: str = "coco"  # a shipped set or a YAML file
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken samples
    # Whether crowds and people without keypoints are left out of the heatmaps' loss.
    masks: bool = True
    sigma: float = 2.0  # of the target Gaussians, in cells of both resolutions
    # Whether each person's Gaussians are as wide as their box is large.
    adaptive_sigma: Literal["no", "real", "whole"] = "no"
    sigma_base: float = 256.0  # pixels of a box whose people have `sigma`
    augmentation: AugmentationSection = field(default_factory=AugmentationSection)
    # Whose files these are, and with that how predictions are judged.
    format: Literal["coco", "crowdpose"] = "coco"

    def __post_init__(self):
        super().__post_init__()
        positive("data.sigma", self.sigma)
        positive("data.sigma_base", self.sigma_base)


@dataclass(frozen=True)
class BottomUpTrain(TrainSection):
    """The recipe; the defaults are the official one for COCO."""

    epochs: int = 300
    batch_size: int = 48
    drop_at: tuple[int, ...] = (200, 260)
    heatmaps: float = 1.0  # weight of the heatmaps' error
    pull: float = 0.001  # weight of how far tags of one person are apart
    push: float = 0.001  # weight of how near tags of two people are

    def __post_init__(self):
        super().__post_init__()
        for name in ("heatmaps", "pull", "push"):
            not_negative(f"train.{name}", getattr(self, name))


@dataclass(frozen=True)
class BottomUpEvaluate:
    """How predictions are made and judged."""

    batch_size: int = 8  # images that are looked at together, if their sizes agree
    flip: bool = True  # average with the mirrored image
    scales: tuple[float, ...] = (1.0,)  # enlarged and made smaller
    project: bool = True  # look for people at the image's size, not the network's
    adjust: bool = True  # move keypoints by a quarter cell towards the higher neighbour
    refine: bool = True  # look for keypoints that a person lacks
    threshold: float = 0.1  # candidates must have a higher value
    tag_threshold: float = 1.0  # candidates whose tag is farther away are another's
    most: int = 30  # candidates a keypoint, and people that a candidate is compared to
    window: int = 5  # a candidate is the highest in a square of this side

    def __post_init__(self):
        positive("evaluate.batch_size", self.batch_size)
        positive("evaluate.scales", *self.scales)
        positive("evaluate.most", self.most)
        not_negative("evaluate.threshold", self.threshold)
        not_negative("evaluate.tag_threshold", self.tag_threshold)
        if not self.scales:
            raise InputError("`evaluate.scales` must hold a number at least.")
        if len(self.scales) > 1 and 1.0 not in self.scales:
            raise InputError(
                "`evaluate.scales` must hold 1, whose tags are taken, got "
                f"{list(self.scales)}."
            )
        if self.window < 1 or self.window % 2 == 0:
            raise InputError(
                f"`evaluate.window` must be odd and positive, got {self.window}."
            )


@dataclass(frozen=True)
class BottomUpConfig:
    """One experiment in bottom-up pose."""

    task: Literal["bottom_up"] = "bottom_up"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: BottomUpModel = field(default_factory=BottomUpModel)
    data: BottomUpData = field(default_factory=BottomUpData)
    train: BottomUpTrain = field(default_factory=BottomUpTrain)
    evaluate: BottomUpEvaluate = field(default_factory=BottomUpEvaluate)
