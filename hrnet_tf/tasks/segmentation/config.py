"""What the configuration of a semantic segmentation experiment may say."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from hrnet_tf.common.config import (
    ComparedSection,
    Component,
    TrainSection,
    not_negative,
    share,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.dense.config import DenseEvaluate, DenseModel, DenseSection


@dataclass(frozen=True)
class SegmentationModel(DenseModel, ComparedSection):
    """The network."""

    name: Literal["HRNetV2", "PSPNet", "DeepLabV3"] = "HRNetV2"
    ocr: bool = False  # object-contextual representations

    on_resnet: ClassVar[tuple[str, ...]] = ("PSPNet", "DeepLabV3")

    def __post_init__(self):
        super().__post_init__()
        for head in ("ocr", "aspp"):
            if self.name in self.on_resnet and getattr(self, head):
                raise InputError(
                    f"`model.{head}` is a head of HRNetV2, and {self.name} has its "
                    "own. Leave it out."
                )
        if self.ocr and self.aspp:
            raise InputError(
                "`model.ocr` and `model.aspp` exclude each other: a network has one "
                "head. Set one of them to false."
            )

    @property
    def head(self) -> dict[str, Any]:
        """What the constructor takes for its head alone."""
        if self.name in self.on_resnet:
            return {"features": self.features}
        return {**super().head, "ocr": self.ocr}


@dataclass(frozen=True)
class MaskSection(DenseSection):
    """Where images and their masks come from and how large they are made."""

    # How the files lie below `root`; see `open_masks`.
    layout: Literal[
        "folder", "cityscapes", "ade20k", "lip", "pascal_context", "coco_stuff"
    ] = "folder"
    # A shipped set's name or a file; "": the set of the layout's name, or classes.yaml
    # or classes.txt in `root`.
    classes: str = ""


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
    dice: float = 0.0  # weight of a soft Dice loss that is added
    class_weights: bool = False  # weigh classes as the class set says
    auxiliary_weight: float = 0.4  # of the loss of OCR's first answer

    def __post_init__(self):
        super().__post_init__()
        not_negative("train.hardest_pixels", self.hardest_pixels)
        share("train.hard_threshold", self.hard_threshold)
        not_negative("train.lovasz", self.lovasz)
        not_negative("train.dice", self.dice)
        not_negative("train.auxiliary_weight", self.auxiliary_weight)
        for name in ("hardest_pixels", "lovasz", "dice", "class_weights"):
            if self.loss is not None and getattr(self, name):
                raise InputError(
                    f"`train.loss` ({self.loss.class_path}) takes the place of the "
                    f"loss that `train.{name}` belongs to; leave one of them out."
                )


@dataclass(frozen=True)
class SegmentationConfig:
    """One experiment in semantic segmentation."""

    task: Literal["segmentation"] = "segmentation"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: SegmentationModel = field(default_factory=SegmentationModel)
    data: MaskSection = field(default_factory=MaskSection)
    train: SegmentationTrain = field(default_factory=SegmentationTrain)
    evaluate: DenseEvaluate = field(default_factory=DenseEvaluate)
