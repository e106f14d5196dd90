"""What a configuration may say: sections, keys and defaults."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from omegaconf import OmegaConf

from hrnet_tf.errors import InputError
from hrnet_tf.layers import Upsampling
from hrnet_tf.typed_yaml import load_yaml, merge


@dataclass(frozen=True)
class Component:
    """Something from outside, by its import path."""

    class_path: str  # such as keras.optimizers.AdamW
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSection:
    """The network."""

    name: Literal["HRNetV1"] = "HRNetV1"
    width: int | str = 32
    size: tuple[int, int] = (256, 192)  # height and width of a crop
    weights: str | None = None  # .keras or .weights.h5 file to start from
    upsampling: Upsampling = "nearest"
    bn_momentum: float = 0.9
    modules: tuple[int, ...] | None = None
    blocks: int | None = None
    stem: tuple[tuple[int, int], ...] | None = None
    normalization: Component | None = None  # in place of batch norm
    activation: Component | None = None  # in place of ReLU

    def __post_init__(self):
        _positive("model.size", *self.size)
        _share("model.bn_momentum", self.bn_momentum)
        for pair in self.stem or ():  # lists in lists are not checked on reading
            if len(pair) != 2 or not all(isinstance(number, int) for number in pair):
                raise InputError(
                    "`model.stem` must hold pairs of filters and stride, got "
                    f"{list(pair)}."
                )


@dataclass(frozen=True)
class CocoSection:
    """One part of a data set."""

    annotations: str = "???"  # COCO keypoint annotations, JSON
    images: str = "???"  # folder of the images
    boxes: str | None = None  # a detector's boxes, COCO results; None: annotated ones
    box_threshold: float = 0.0  # detections with a lower score are left out


@dataclass(frozen=True)
class AugmentationSection:
    """Random changes of training crops; the defaults are the official COCO recipe."""

    scale: float = 0.35
    rotation: float = 45.0  # degrees; one standard deviation
    rotation_probability: float = 0.6
    flip_probability: float = 0.5
    half_body_probability: float = 0.3
    half_body_keypoints: int = 8  # only people with more visible keypoints are halved
    brightness: float = 0.0  # largest change, as a share of the range
    contrast: float = 0.0  # largest change, as a share of the contrast

    def __post_init__(self):
        if not 0 <= self.scale < 1:  # at 1 a crop would shrink to nothing
            raise InputError(
                "`data.augmentation.scale` must be at least 0 and less than 1, got "
                f"{self.scale}."
            )
        _not_negative("data.augmentation.rotation", self.rotation)
        _not_negative("data.augmentation.half_body_keypoints", self.half_body_keypoints)
        _share("data.augmentation.rotation_probability", self.rotation_probability)
        _share("data.augmentation.flip_probability", self.flip_probability)
        _share("data.augmentation.half_body_probability", self.half_body_probability)
        _share("data.augmentation.brightness", self.brightness)
        _share("data.augmentation.contrast", self.contrast)


@dataclass(frozen=True)
class DataSection:
    """Where samples come from and how they are cut."""

    train: CocoSection = field(default_factory=CocoSection)
    validation: CocoSection = field(default_factory=CocoSection)
    keypoints: str = "coco"  # a shipped set or a YAML file
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken samples
    padding: float = 1.25  # a crop is this much larger than the box
    sigma: float = 2.0  # of the target Gaussians, in heatmap cells
    augmentation: AugmentationSection = field(default_factory=AugmentationSection)

    def __post_init__(self):
        _positive("data.padding", self.padding)
        _positive("data.sigma", self.sigma)


@dataclass(frozen=True)
class TrainSection:
    """The recipe."""

    epochs: int = 210
    batch_size: int = 128  # over all devices
    steps_per_epoch: int | None = None  # None: as many as it takes to see everyone
    learning_rate: float = 0.001
    drop_at: tuple[int, ...] = (170, 200)  # epochs (from 0) at which the rate drops
    drop_factor: float = 0.1
    optimizer: Component = field(
        default_factory=lambda: Component("keras.optimizers.Adam", {"epsilon": 1e-8})
    )
    loss: Component | None = None  # between heatmaps; None: half the squared error
    hardest_keypoints: int = 0  # OHKM: average only this many largest errors
    keypoint_weights: bool = False  # weigh keypoints as the keypoint set says
    clip_norm: float | None = None  # largest global norm of the gradients
    ema: float | None = None  # momentum of averaged weights, such as 0.999
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    xla: bool | None = None  # None: on a single GPU
    devices: tuple[str, ...] | None = None  # such as [GPU:0, GPU:1]; None: all GPUs
    validate_every: int = 1  # epochs; the last one is always validated

    def __post_init__(self):
        _positive("train.epochs", self.epochs)
        _positive("train.batch_size", self.batch_size)
        if self.steps_per_epoch is not None:
            _positive("train.steps_per_epoch", self.steps_per_epoch)
        _positive("train.learning_rate", self.learning_rate)
        _positive("train.drop_factor", self.drop_factor)
        _positive("train.validate_every", self.validate_every)
        _not_negative("train.hardest_keypoints", self.hardest_keypoints)
        if self.clip_norm is not None:
            _positive("train.clip_norm", self.clip_norm)
        if self.ema is not None:
            _share("train.ema", self.ema)
        if list(self.drop_at) != sorted(set(self.drop_at)):
            raise InputError(f"`train.drop_at` must rise, got {list(self.drop_at)}.")


@dataclass(frozen=True)
class EvaluateSection:
    """How predictions are made and judged."""

    batch_size: int = 32
    flip: bool = True  # average with the mirrored image
    shift: bool = True  # move mirrored heatmaps by one cell, as the official code does
    refinement: Literal["none", "quarter", "dark"] = "quarter"
    keypoint_threshold: float = 0.2  # keypoints that count when a person is rescored
    nms_threshold: float = 0.9  # OKS above which the lower-scored of two people goes
    soft_nms: bool = False

    def __post_init__(self):
        _positive("evaluate.batch_size", self.batch_size)


@dataclass(frozen=True)
class PoseConfig:
    """One experiment in top-down pose."""

    task: Literal["pose"] = "pose"
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0
    model: ModelSection = field(default_factory=ModelSection)
    data: DataSection = field(default_factory=DataSection)
    train: TrainSection = field(default_factory=TrainSection)
    evaluate: EvaluateSection = field(default_factory=EvaluateSection)


CONFIGS = {"pose": PoseConfig}


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> PoseConfig:
    """Read an experiment from a YAML file.

    Args:
        path: the file. Its `task` names the kind of configuration.
        overrides: `key=value` pairs that win over the file, such as
            `"train.epochs=20"` or `"model.modules=[1,1,1]"`.

    Returns:
        The configuration, with every default filled in.

    Raises:
        InputError: if the file is missing or no YAML, a key is unknown, missing or of
            another type; the text names the file or the override, the key, and the
            nearest valid one.

    Example:
        ```python
        config = read_config("configs/pose/demo.yaml", ["train.epochs=2"])
        config.train.epochs  # 2
        ```
    """
    path = Path(path)
    given = load_yaml(path)
    task = cast(dict, OmegaConf.to_container(given)).get("task", "pose")
    if not isinstance(task, str) or task not in CONFIGS:
        raise InputError(
            f"{path}: `task` must be one of {', '.join(CONFIGS)}, got {task!r}."
        )
    config = merge(CONFIGS[task], given, overrides, where=str(path))
    if not config.output:
        config = dataclasses.replace(
            config, output=str(Path("saved_models") / path.stem)
        )
    return config


def _positive(key: str, *values: float) -> None:
    if not all(0 < value < math.inf for value in values):
        raise InputError(
            f"`{key}` must be positive, got {', '.join(map(str, values))}."
        )


def _not_negative(key: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise InputError(f"`{key}` must not be negative, got {value}.")


def _share(key: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"`{key}` must lie between 0 and 1, got {value}.")
