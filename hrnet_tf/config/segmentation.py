"""What the configuration of a semantic segmentation experiment may say."""

from dataclasses import dataclass, field
from typing import Literal

from hrnet_tf.config.common import (
    ColorSection,
    Component,
    NetworkSection,
    TrainSection,
    not_negative,
    positive,
    share,
)
from hrnet_tf.errors import InputError
from hrnet_tf.layers import Upsampling


@dataclass(frozen=True)
class SegmentationModel(NetworkSection):
    """The network."""

    name: Literal["HRNetV2"] = "HRNetV2"
    width: int | str = 48
    upsampling: Upsampling = "bilinear"
    size: tuple[int, int] = (512, 1024)  # height and width of a training crop
    ocr: bool = False  # object-contextual representations
    aspp: bool = False  # atrous spatial pyramid pooling

    def __post_init__(self):
        super().__post_init__()
        if self.ocr and self.aspp:
            raise InputError(
                "`model.ocr` and `model.aspp` exclude each other: a network has one "
                "head. Set one of them to false."
            )


@dataclass(frozen=True)
class MaskAugmentation(ColorSection):
    """Random changes of training images; the defaults are the official recipe."""

    scale: tuple[float, float] = (0.5, 2.0)
    flip_probability: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        positive("data.augmentation.scale", *self.scale)
        if self.scale[0] > self.scale[1]:
            raise InputError(
                "`data.augmentation.scale` must be two numbers, the smaller one first, "
                f"got {list(self.scale)}."
            )
        share("data.augmentation.flip_probability", self.flip_probability)


@dataclass(frozen=True)
class MaskSection:
    """Where images and their masks come from and how large they are made."""

    # How the files lie below `root`; see `hrnet_tf.data.masks.open_masks`.
    layout: Literal[
        "folder", "cityscapes", "ade20k", "lip", "pascal_context", "coco_stuff"
    ] = "folder"
    root: str = "???"
    # A shipped set's name or a file; "": the set of the layout's name, or classes.yaml
    # or classes.txt in `root`.
    classes: str = ""
    validation_share: float = 0.2  # held out of a folder if it has no val/
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken samples
    short_side: int | None = None  # resized to this first, in pixels; None: as it is
    base_size: int | None = None  # long side at scale 1, in pixels; None: as it is
    keep_aspect: bool = True  # false: all resized to `model.size` first
    # A folder for decoded images, 4 bytes a pixel; None: decode them each time.
    cache: str | None = None
    augmentation: MaskAugmentation = field(default_factory=MaskAugmentation)

    def __post_init__(self):
        if not 0 < self.validation_share < 1:
            raise InputError(
                "`data.validation_share` must lie between 0 and 1, got "
                f"{self.validation_share}."
            )
        for name in ("short_side", "base_size"):
            if getattr(self, name) is not None:
                positive(f"data.{name}", getattr(self, name))
        if self.short_side is not None and not self.keep_aspect:
            raise InputError(
                "`data.short_side` does nothing with `data.keep_aspect=false`, which "
                "resizes all images to `model.size`; leave one of them out."
            )


@dataclass(frozen=True)
class SegmentationTrain(TrainSection):
    """The recipe; the defaults are the official one for Cityscapes."""

    epochs: int = 484
    batch_size: int = 12
    learning_rate: float = 0.01
    schedule: Literal["step", "cosine", "poly"] = "poly"
    optimizer: Component = field(
        default_factory=lambda: Component(
            "hrnet_tf.optimizers.CoupledSGD",
            {"momentum": 0.9, "coupled_weight_decay": 5e-4},
        )
    )
    hardest_pixels: int = 0  # OHEM: at least so many of a batch count; 0: all do
    hard_threshold: float = 0.9  # ... and those whose class has a lower probability
    lovasz: float = 0.0  # weight of a Lovasz loss that is added
    class_weights: bool = False  # weigh classes as the class set says
    auxiliary_weight: float = 0.4  # of the loss of OCR's first answer

    def __post_init__(self):
        super().__post_init__()
        not_negative("train.hardest_pixels", self.hardest_pixels)
        share("train.hard_threshold", self.hard_threshold)
        not_negative("train.lovasz", self.lovasz)
        not_negative("train.auxiliary_weight", self.auxiliary_weight)
        for name in ("hardest_pixels", "lovasz", "class_weights"):
            if self.loss is not None and getattr(self, name):
                raise InputError(
                    f"`train.loss` ({self.loss.class_path}) takes the place of the "
                    f"loss that `train.{name}` belongs to; leave one of them out."
                )


@dataclass(frozen=True)
class SegmentationEvaluate:
    """How predictions are made and judged."""

    flip: bool = False  # average with the mirrored image
    scales: tuple[float, ...] = (1.0,)  # averaged
    window: bool = False  # slide a window of `model.size` over the image
    stride_share: float = 2 / 3  # of the window, from one place to the next

    def __post_init__(self):
        if not self.scales:
            raise InputError("`evaluate.scales` must hold at least one scale.")
        positive("evaluate.scales", *self.scales)
        if not 0 < self.stride_share <= 1:
            raise InputError(
                "`evaluate.stride_share` must be more than 0 and at most 1, got "
                f"{self.stride_share}."
            )


@dataclass(frozen=True)
class SegmentationConfig:
    """One experiment in semantic segmentation."""

    task: Literal["segmentation"] = "segmentation"
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0
    model: SegmentationModel = field(default_factory=SegmentationModel)
    data: MaskSection = field(default_factory=MaskSection)
    train: SegmentationTrain = field(default_factory=SegmentationTrain)
    evaluate: SegmentationEvaluate = field(default_factory=SegmentationEvaluate)
