"""What the configuration of an image classification experiment may say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from omegaconf import OmegaConf

from hrnet_tf.common.config import (
    ColorSection,
    Component,
    FilesSection,
    NetworkSection,
    TrainSection,
    positive,
    proper_share,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.typed_yaml import merge


@dataclass(frozen=True)
class ClassificationModel(NetworkSection):
    """The network."""

    name: Literal["HRNetClassifier"] = "HRNetClassifier"
    width: int | str = 18
    # Channels inside the head's block at each resolution, a quarter of those behind it.
    head_planes: tuple[int, int, int, int] = (32, 64, 128, 256)
    features: int = 2048  # channels before pooling

    def __post_init__(self):
        super().__post_init__()
        positive("model.head_planes", *self.head_planes)
        positive("model.features", self.features)


@dataclass(frozen=True)
class ImageAugmentation(ColorSection):
    """Random changes of training images; the defaults are the official recipe.

    MixUp, CutMix and RandAugment are Keras's own layers and need Keras 3.
    """

    scale: tuple[float, float] = (0.08, 1.0)  # of the crop, as a share of the area
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width over height of the crop
    flip_probability: float = 0.5  # share of samples that are mirrored
    mixup: float = 0.0  # alpha of the Beta distribution; 0: off
    cutmix: float = 0.0  # alpha, at most 1; 0: off; with MixUp: one of them a batch
    randaugment: int = 0  # operations on each image
    randaugment_magnitude: float = 0.5  # of each operation, 0 to 1

    def __post_init__(self):
        super().__post_init__()
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise InputError(
                "`data.augmentation.scale` must be two shares of the area, at most 1, "
                f"the smaller one first, got {list(self.scale)}."
            )
        low, high = self.ratio
        if not 0 < low <= high < math.inf:
            raise InputError(
                "`data.augmentation.ratio` must be two positive numbers, the smaller "
                f"one first, got {list(self.ratio)}."
            )
        for name in ("flip_probability", "mixup", "cutmix", "randaugment_magnitude"):
            self._check(name, 1)
        self._check("randaugment", 11)  # as many kinds as there are

    def _check(self, name: str, highest: float) -> None:
        value = getattr(self, name)
        if not 0 <= value <= highest:
            raise InputError(
                f"`data.augmentation.{name}` must lie between 0 and {highest}, got "
                f"{value}."
            )

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, so that their labels are one-hot."""
        return bool(self.mixup or self.cutmix)


@dataclass(frozen=True)
class ImageSection(FilesSection):
    """Where images come from and how they are cut."""

    # A folder with a folder a class in it, or with train/ and val/ that hold those, or
    # with shards that `hrnet-tf shard` has written.
    root: str = "???"
    validation_share: float = 0.2  # held out of each class if there is no val/
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken images
    crop_share: float = 0.875  # of an image's shorter side that is looked at
    augmentation: ImageAugmentation = field(default_factory=ImageAugmentation)

    def __post_init__(self):
        super().__post_init__()
        proper_share("data.validation_share", self.validation_share)
        if not 0 < self.crop_share <= 1:
            raise InputError(
                "`data.crop_share` must be more than 0 and at most 1, got "
                f"{self.crop_share}."
            )


@dataclass(frozen=True)
class ShardedImages:
    """What holds for images that are written as shards."""

    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken images


@dataclass(frozen=True)
class ShardSettings:
    """What `hrnet-tf shard` takes as `key=value`."""

    data: ShardedImages = field(default_factory=ShardedImages)


@dataclass(frozen=True)
class ClassificationTrain(TrainSection):
    """The recipe; the defaults are the official one for ImageNet."""

    learning_rate: float = 0.05
    drop_at: tuple[int, ...] = (30, 60, 90)
    optimizer: Component = field(
        default_factory=lambda: Component(
            "hrnet_tf.optimizers.CoupledSGD",
            {"momentum": 0.9, "nesterov": True, "coupled_weight_decay": 1e-4},
        )
    )
    label_smoothing: float = 0.0  # share of a label that is spread over all classes

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.label_smoothing < 1:
            raise InputError(
                "`train.label_smoothing` must be at least 0 and less than 1, got "
                f"{self.label_smoothing}."
            )


@dataclass(frozen=True)
class ClassificationEvaluate:
    """How predictions are made and judged."""

    batch_size: int = 32  # images that are looked at together
    flip: bool = False  # average with the mirrored image

    def __post_init__(self):
        positive("evaluate.batch_size", self.batch_size)


@dataclass(frozen=True)
class ClassificationConfig:
    """One experiment in image classification."""

    task: Literal["classification"] = "classification"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: ClassificationModel = field(default_factory=ClassificationModel)
    data: ImageSection = field(default_factory=ImageSection)
    train: ClassificationTrain = field(default_factory=ClassificationTrain)
    evaluate: ClassificationEvaluate = field(default_factory=ClassificationEvaluate)


def read_shard_settings(overrides: Sequence[str]) -> ShardSettings:
    """What `hrnet-tf shard` is told as `key=value`; see `read_config` for errors."""
    return merge(ShardSettings, OmegaConf.create(), overrides, where="hrnet-tf shard")
