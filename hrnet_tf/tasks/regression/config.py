"""What the configuration of a dense regression experiment may say."""

import math
from dataclasses import dataclass, field
from typing import Literal

from hrnet_tf.common.config import TrainSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.dense.config import DenseEvaluate, DenseModel, DenseSection
from hrnet_tf.tasks.regression.channels import ChannelSet


@dataclass(frozen=True)
class MapSection(DenseSection):
    """Where images and their maps of numbers come from, and what these mean."""

    targets: str = "targets"  # the folder of the maps, below `root`
    channels: tuple[str, ...] = ("depth",)  # names of each pixel's numbers
    unit_size: float = 1.0  # what a stored number is multiplied by
    # The stored number that stands for nothing known; null: none. NaN always does.
    missing: float | None = None
    mirrored: tuple[str, ...] = ()  # negated in a mirror image, as the horizontal flow
    per_pixel: tuple[str, ...] = ()  # counted in pixels: grow with the image
    nearer: tuple[str, ...] = ()  # fall as the image grows, as a depth does
    units: tuple[str, ...] = ()  # of the channels, such as m, written into pictures

    def __post_init__(self):
        super().__post_init__()
        try:
            channels = self.channel_set
        except InputError as error:
            raise InputError(f"`data`: {error}") from None
        if not 0 < abs(self.unit_size) < math.inf:
            raise InputError(
                f"`data.unit_size` must be a number other than 0, got {self.unit_size}."
            )
        if not self.targets or self.targets == "images":
            raise InputError(
                "`data.targets` must name the folder of the targets below `data.root`, "
                f"another one than images, got {self.targets!r}."
            )
        if channels.powers.any() and not self.keep_aspect:
            raise InputError(
                "`data.per_pixel` and `data.nearer` follow the size of an image, which "
                "`data.keep_aspect=false` changes by two factors; leave one of them "
                "out."
            )

    @property
    def channel_set(self) -> ChannelSet:
        """What the numbers of a pixel mean."""
        return ChannelSet(
            self.channels, self.mirrored, self.per_pixel, self.nearer, self.units
        )


@dataclass(frozen=True)
class RegressionModel(DenseModel):
    """The network."""

    name: Literal["HRNetV2"] = "HRNetV2"
    size: tuple[int, int] = (384, 512)  # height and width of a training crop


@dataclass(frozen=True)
class RegressionTrain(TrainSection):
    """The recipe."""

    epochs: int = 50
    batch_size: int = 16
    learning_rate: float = 0.0003
    schedule: Literal["step", "cosine", "poly"] = "poly"
    loss_kind: Literal["l1", "l2", "berhu"] = "l1"  # see `losses.DenseRegression`

    def __post_init__(self):
        super().__post_init__()
        if self.loss is not None and self.loss_kind != "l1":
            raise InputError(
                f"`train.loss` ({self.loss.class_path}) takes the place of the loss "
                "that `train.loss_kind` belongs to; leave one of them out."
            )


@dataclass(frozen=True)
class RegressionConfig:
    """One experiment in dense regression."""

    task: Literal["regression"] = "regression"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: RegressionModel = field(default_factory=RegressionModel)
    data: MapSection = field(default_factory=MapSection)
    train: RegressionTrain = field(default_factory=RegressionTrain)
    evaluate: DenseEvaluate = field(default_factory=DenseEvaluate)
