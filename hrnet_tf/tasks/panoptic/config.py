"""What the configuration of a panoptic segmentation experiment may say."""

from dataclasses import dataclass, field
from typing import Literal

from hrnet_tf.common.config import (
    Component,
    TrainSection,
    not_negative,
    positive,
    share,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.dense.config import DenseEvaluate, DenseModel, DenseSection
from hrnet_tf.tasks.panoptic.segments import MOST


@dataclass(frozen=True)
class PanopticModel(DenseModel):
    """The network."""

    name: Literal["HRNetPanoptic"] = "HRNetPanoptic"  # type: ignore[assignment]
    aspp: bool = True  # of both decoders; there is no network without
    size: tuple[int, int] = (512, 1024)  # height and width of a training crop

    def __post_init__(self):
        super().__post_init__()
        if not self.aspp:
            raise InputError(
                "`model.aspp` cannot be false: both decoders of HRNetPanoptic begin "
                "with it; leave it out."
            )


@dataclass(frozen=True)
class PanopticSection(DenseSection):
    """Where images and their segments come from and how large they are made."""

    # COCO's file below `root`; here and below with {} for train or val.
    annotations: str = "annotations/panoptic_{}.json"
    segments: str = "annotations/panoptic_{}"  # the folder of its PNG files
    images: str = "images/{}"  # the folder of images

    def __post_init__(self):
        super().__post_init__()
        for name in ("annotations", "segments", "images"):
            if not getattr(self, name):
                raise InputError(
                    f"`data.{name}` must be a path below `data.root`, with {{}} for "
                    "the part of the data."
                )


@dataclass(frozen=True)
class PanopticTrain(TrainSection):
    """The recipe; the defaults are that of the paper's authors for Cityscapes."""

    epochs: int = 242
    batch_size: int = 8
    learning_rate: float = 0.00005
    schedule: Literal["step", "cosine", "poly"] = "poly"
    optimizer: Component = field(
        default_factory=lambda: Component("hrnet_tf.optimizers.Adam", {"epsilon": 1e-8})
    )
    hardest_share: float = 0.2  # of a batch's pixels, that classes are learnt from
    small_area: int = 4096  # pixels: things of fewer are small
    small_weight: float = 3.0  # of each pixel of a small thing, for its class
    sigma: float = 8.0  # pixels, of the heatmap's discs
    center_weight: float = 200.0  # of the loss of the heatmap
    offset_weight: float = 0.01  # of the loss of the offsets

    def __post_init__(self):
        super().__post_init__()
        share("train.hardest_share", self.hardest_share)
        positive("train.hardest_share", self.hardest_share)
        positive("train.sigma", self.sigma)
        for name in ("small_area", "small_weight", "center_weight", "offset_weight"):
            not_negative(f"train.{name}", getattr(self, name))
        if self.loss is not None:
            raise InputError(
                "`train.loss` of panoptic segmentation cannot be another one, since "
                "the network has three answers; `train.center_weight` and "
                "`train.offset_weight` weigh its parts."
            )


@dataclass(frozen=True)
class PanopticEvaluate(DenseEvaluate):
    """How predictions are made and judged."""

    center_threshold: float = 0.1  # of the heatmap: centres are higher
    center_window: int = 7  # pixels: a centre is the highest in this square
    most_things: int = 200  # in an image: the highest centres
    stuff_area: int = 2048  # pixels that stuff of a class has at least in an image

    def __post_init__(self):
        super().__post_init__()
        share("evaluate.center_threshold", self.center_threshold)
        positive("evaluate.center_window", self.center_window)
        if self.center_window % 2 == 0:
            raise InputError(
                "`evaluate.center_window` must be odd, so that it has a middle, got "
                f"{self.center_window}."
            )
        if not 0 < self.most_things <= MOST:
            raise InputError(
                f"`evaluate.most_things` must lie between 1 and {MOST}, got "
                f"{self.most_things}."
            )
        not_negative("evaluate.stuff_area", self.stuff_area)


@dataclass(frozen=True)
class PanopticConfig:
    """One experiment in panoptic segmentation."""

    task: Literal["panoptic"] = "panoptic"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: PanopticModel = field(default_factory=PanopticModel)
    data: PanopticSection = field(default_factory=PanopticSection)
    train: PanopticTrain = field(default_factory=PanopticTrain)
    evaluate: PanopticEvaluate = field(default_factory=PanopticEvaluate)
