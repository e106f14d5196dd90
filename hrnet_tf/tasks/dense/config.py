"""The sections that experiments with an answer for every pixel share."""

from dataclasses import dataclass, field
from typing import Any, Literal

from hrnet_tf.common.config import (
    ColorSection,
    FilesSection,
    NetworkSection,
    positive,
    proper_share,
    share,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.upsampling import Upsampling


@dataclass(frozen=True)
class DenseModel(NetworkSection):
    """The network."""

    name: str = "HRNetV2"
    width: int | str = 48
    upsampling: Upsampling = "bilinear"
    size: tuple[int, int] = (512, 1024)  # height and width of a training crop
    aspp: bool = False  # atrous spatial pyramid pooling
    features: int | None = None  # channels in the head; None: as published

    def __post_init__(self):
        super().__post_init__()
        if self.features is not None:
            positive("model.features", self.features)

    @property
    def head(self) -> dict[str, Any]:
        """What the constructor takes for its head alone."""
        return {"aspp": self.aspp, "features": self.features}


@dataclass(frozen=True)
class DenseAugmentation(ColorSection):
    """Random changes of training images; the defaults are the official recipe."""

    scale: tuple[float, float] = (0.5, 2.0)  # what sides are multiplied by, from and to
    flip_probability: float = 0.5  # share of samples that are mirrored

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
class DenseSection(FilesSection):
    """Where images and their targets come from and how large they are made."""

    root: str = "???"  # folder of the data set
    validation_share: float = 0.2  # held out of a folder if it has no val/
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken samples
    short_side: int | None = None  # resized to this first, in pixels; None: as it is
    base_size: int | None = None  # long side at scale 1, in pixels; None: as it is
    keep_aspect: bool = True  # false: all resized to `model.size` first
    # A folder for decoded images and targets; None: decode them each time.
    cache: str | None = None
    augmentation: DenseAugmentation = field(default_factory=DenseAugmentation)

    def __post_init__(self):
        super().__post_init__()
        proper_share("data.validation_share", self.validation_share)
        for name in ("short_side", "base_size"):
            if getattr(self, name) is not None:
                positive(f"data.{name}", getattr(self, name))
        if self.short_side is not None and not self.keep_aspect:
            raise InputError(
                "`data.short_side` does nothing with `data.keep_aspect=false`, which "
                "resizes all images to `model.size`; leave one of them out."
            )


@dataclass(frozen=True)
class DenseEvaluate:
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
