"""The sections that all kinds of experiments share, and checks of their values."""

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import PIXEL_LIMIT, Orientation, Reading
from hrnet_tf.common.upsampling import Upsampling

S = TypeVar("S", bound="NetworkSection")


class Config(Protocol):
    """What the configurations of all tasks have, frozen dataclasses.

    Attributes:
        task: name of the task.
        output: the run's folder.
        seed: of everything random.
        model: a `NetworkSection` or what else describes a network.
        data: with `on_error`, `orientation` and `pixel_limit`.
        train: the recipe.
        evaluate: how predictions are made and judged.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def output(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def model(self) -> Any: ...  # noqa: D102
    @property
    def data(self) -> Any: ...  # noqa: D102
    @property
    def train(self) -> Any: ...  # noqa: D102
    @property
    def evaluate(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Component:
    """Something from outside, by its import path."""

    class_path: str  # such as keras.optimizers.AdamW
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkSection:
    """The network."""

    name: str = ""  # of the constructor: which network it is
    # Channels of the highest resolution; or 18_small_v1 or 18_small_v2, with fewer
    # modules and blocks, as published.
    width: int | str = 32
    # The whole network begins with these: a file (.keras, .weights.h5, .pth,
    # .safetensors, .npz) or the name of published ones; None: with random ones.
    weights: str | None = None
    body: str | None = None  # likewise, of the body alone; the head starts anew
    # How low resolutions are brought to high ones; published weights need theirs.
    upsampling: Upsampling = "nearest"
    bn_momentum: float = 0.9  # of batch norm's averages: the share that is kept a step
    # How many modules stages 2, 3 and 4 have; on a ResNet bottlenecks of its four
    # layers; None: as published.
    modules: tuple[int, ...] | None = None
    # How many residual blocks a branch of a module has; None: as published.
    blocks: int | None = None
    # Filters and stride of both convolutions of the stem; None: as published.
    stem: tuple[tuple[int, int], ...] | None = None
    normalization: Component | None = None  # in place of batch norm
    activation: Component | None = None  # in place of ReLU
    size: tuple[int, int] = (224, 224)  # height and width of what the network takes

    def __post_init__(self):
        positive("model.size", *self.size)
        if self.weights is not None and self.body is not None:
            raise InputError(
                f"`model.weights` ({self.weights}) and `model.body` ({self.body}) "
                "exclude each other: give weights for the whole network, or a body for "
                "a network with a new head."
            )
        share("model.bn_momentum", self.bn_momentum)
        for pair in self.stem or ():  # lists in lists are not checked on reading
            if len(pair) != 2 or not all(isinstance(number, int) for number in pair):
                raise InputError(
                    "`model.stem` must hold pairs of filters and stride, got "
                    f"{list(pair)}."
                )

    @property
    def variant(self) -> int | str:
        """What the constructor takes first: which of its networks it is."""
        return self.width

    @property
    def title(self) -> str:
        """The network in a few words."""
        return f"{self.name} width {self.width}"

    def beginning_with(self: S, weights: str | None) -> S:
        """The same with other weights, if there are any: no body is loaded then."""
        body = self.body if weights is None else None
        return replace(self, weights=weights, body=body)


@dataclass(frozen=True)
class ComparedSection(NetworkSection):
    """The network, which may be one on a ResNet that HRNet is compared with."""

    depth: int | None = None  # of the ResNet: 50, 101 or 152

    on_resnet: ClassVar[tuple[str, ...]] = ()  # names of those networks

    def __post_init__(self):
        super().__post_init__()
        if self.name not in self.on_resnet:
            if self.depth is not None:
                raise InputError(
                    f"`model.depth` is of {', '.join(self.on_resnet)}: the variants of "
                    f"{self.name} are told by `model.width`. Leave it out."
                )
            return
        if self.depth is None:
            raise InputError(
                f"`model.depth` must say which ResNet {self.name} stands on, such as "
                "50 or 101."
            )
        if self.width != type(self).width:
            raise InputError(
                f"`model.width` ({self.width}) is of HRNet: the variants of "
                f"{self.name} are told by `model.depth`. Leave it out."
            )

    @property
    def variant(self) -> int | str:
        """The width, or the depth."""
        return self.width if self.depth is None else self.depth

    @property
    def title(self) -> str:
        """The network in a few words."""
        return (
            super().title if self.depth is None else f"{self.name} depth {self.depth}"
        )


@dataclass(frozen=True)
class ColorSection:
    """Random changes of colours, each off by default."""

    brightness: float = 0.0  # largest change, as a share of the range
    contrast: float = 0.0  # largest change, as a share of the contrast
    saturation: float = 0.0  # largest change, as a share of the saturation
    hue: float = 0.0  # largest change, as a share of the colour circle

    def __post_init__(self):
        for name in ("brightness", "contrast", "saturation"):
            share(f"data.augmentation.{name}", getattr(self, name))
        if not 0 <= self.hue <= 0.5:
            raise InputError(
                f"`data.augmentation.hue` must lie between 0 and 0.5, got {self.hue}."
            )

    @property
    def changes_colors(self) -> bool:
        """Whether brightness, contrast, saturation or hue change."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))


@dataclass(frozen=True)
class FilesSection:
    """How image files are taken."""

    # As viewers show them, turned by their EXIF tag; or as they are stored.
    orientation: Orientation = field(default="upright", kw_only=True)
    # Of an image, a mask or a map; larger ones are not decoded.
    pixel_limit: int = field(default=PIXEL_LIMIT, kw_only=True)

    def __post_init__(self):
        positive("data.pixel_limit", self.pixel_limit)

    @property
    def reading(self) -> Reading:
        """The same for those who read."""
        return Reading(self.orientation, self.pixel_limit)


@dataclass(frozen=True)
class TrainSection:
    """The recipe."""

    epochs: int = 100  # rounds over the training samples; but see steps_per_epoch
    batch_size: int = 128  # over all devices
    # Batches for one change of the weights, by the mean of their gradients, where
    # memory holds no larger batch. Everything here means what it would with a
    # batch_size so many times larger (steps are changes of the weights), and the same
    # is learnt, but for what looks at a batch as a whole: batch norm, losses that are
    # divided by what counts in a batch (those of detectors and of pixels) or choose in
    # it (hard pixels), and the choice of images of one shape for a detector's batch.
    accumulate: int = 1
    # Compute activations again for gradients, where memory does not hold them: the same
    # is learnt. Of detectors body and pyramid, not the heads.
    recompute: bool = False
    steps_per_epoch: int | None = None  # None: as many as it takes to see everything
    learning_rate: float = 0.001  # the highest, before it falls
    # How the rate falls: by drop_factor at each of drop_at, along a cosine, or as a
    # power (0.9) of what is left of the training.
    schedule: Literal["step", "cosine", "poly"] = "step"
    warmup_epochs: float = 0.0  # cosine: in which the rate rises from nothing
    warmup_steps: int = 0  # step: in which the rate rises from a thousandth, as a line
    drop_at: tuple[int, ...] = ()  # steps: epochs (from 0) at which the rate drops
    drop_factor: float = 0.1  # step: what the rate is multiplied by then
    optimizer: Component = field(
        default_factory=lambda: Component("hrnet_tf.optimizers.Adam", {"epsilon": 1e-8})
    )  # any of Keras's will do; its rate is learning_rate
    loss: Component | None = None  # in place of the task's own
    freeze_body: bool = False  # learn the head only
    freeze_layers: tuple[str, ...] = ()  # these do not learn: starts of their names
    clip_norm: float | None = None  # largest global norm of the gradients
    ema: float | None = None  # momentum of averaged weights, such as 0.999
    # What is computed with; variables stay float32, and mixed_float16 scales the loss.
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    xla: bool | None = None  # None: on a single GPU
    # CPU threads for one operation; None: as many as there are. Narrow networks learn
    # faster with 1, since their branches run side by side (`benchmarks/training.py`).
    operation_threads: int | None = None
    devices: tuple[str, ...] | None = None  # such as [GPU:0, GPU:1]; None: all GPUs
    validate_every: int = 1  # epochs; the last one is always validated

    def __post_init__(self):
        positive("train.epochs", self.epochs)
        positive("train.batch_size", self.batch_size)
        if self.accumulate < 1:
            raise InputError(
                f"`train.accumulate` must be at least 1, got {self.accumulate}; 1 "
                "changes the weights after each batch."
            )
        if self.steps_per_epoch is not None:
            positive("train.steps_per_epoch", self.steps_per_epoch)
        if self.operation_threads is not None:
            positive("train.operation_threads", self.operation_threads)
        positive("train.learning_rate", self.learning_rate)
        positive("train.drop_factor", self.drop_factor)
        positive("train.validate_every", self.validate_every)
        not_negative("train.warmup_epochs", self.warmup_epochs)
        not_negative("train.warmup_steps", self.warmup_steps)
        if self.clip_norm is not None:
            positive("train.clip_norm", self.clip_norm)
        if self.ema is not None:
            share("train.ema", self.ema)
        if list(self.drop_at) != sorted(set(self.drop_at)):
            raise InputError(f"`train.drop_at` must rise, got {list(self.drop_at)}.")


def positive(key: str, *values: float) -> None:
    """Raise an InputError that names the key unless all values are positive."""
    if not all(0 < value < math.inf for value in values):
        raise InputError(
            f"`{key}` must be positive, got {', '.join(map(str, values))}."
        )


def not_negative(key: str, value: float) -> None:
    """Raise an InputError that names the key if a value is negative."""
    if not 0 <= value < math.inf:
        raise InputError(f"`{key}` must not be negative, got {value}.")


def share(key: str, value: float) -> None:
    """Raise an InputError that names the key unless a value lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise InputError(f"`{key}` must lie between 0 and 1, got {value}.")


def proper_share(key: str, value: float) -> None:
    """Raise an InputError that names the key unless 0 < value < 1."""
    if not 0 < value < 1:
        raise InputError(f"`{key}` must lie between 0 and 1, got {value}.")
