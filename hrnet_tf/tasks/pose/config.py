"""What the configuration of a top-down pose experiment may say."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from hrnet_tf.common.config import (
    ComparedSection,
    FilesSection,
    TrainSection,
    not_negative,
    positive,
    share,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.keypoints.config import CocoSection, check_crop_changes
from hrnet_tf.tasks.keypoints.encodings import (
    USUAL,
    Encoding,
    Refinement,
    check_refinement,
)


@dataclass(frozen=True)
class PoseModel(ComparedSection):
    """The network."""

    name: Literal["HRNetV1", "LiteHRNet", "SimpleBaseline"] = "HRNetV1"
    size: tuple[int, int] = (256, 192)  # height and width of a crop
    # Of the colours that the network takes, with the same mean and deviation; image
    # files are read as RGB. The official recipes of SimpleBaseline have BGR.
    color_order: Literal["RGB", "BGR"] = "RGB"

    on_resnet: ClassVar[tuple[str, ...]] = ("SimpleBaseline",)


@dataclass(frozen=True)
class AugmentationSection:
    """Random changes of training crops; the defaults are the official COCO recipe."""

    scale: float = 0.35  # one standard deviation and the largest change, as a share
    rotation: float = 45.0  # degrees; one standard deviation
    rotation_probability: float = 0.6  # share of samples that are turned
    flip_probability: float = 0.5  # share of samples that are mirrored
    half_body_probability: float = 0.3  # share of people whose half alone is cut out
    half_body_keypoints: int = 8  # only people with more visible keypoints are halved
    brightness: float = 0.0  # largest change, as a share of the range
    contrast: float = 0.0  # largest change, as a share of the contrast

    def __post_init__(self):
        check_crop_changes(self)
        not_negative("data.augmentation.half_body_keypoints", self.half_body_keypoints)
        share("data.augmentation.half_body_probability", self.half_body_probability)


@dataclass(frozen=True)
class PartSection(CocoSection):
    """One part of a data set."""

    heads: str | None = None  # of MPII: how large heads are, gt_valid.mat


@dataclass(frozen=True)
class DataSection(FilesSection):
    """Where samples come from and how they are cut."""

    train: PartSection = field(default_factory=PartSection)
    validation: PartSection = field(default_factory=PartSection)
    keypoints: str = "coco"  # a shipped set or a YAML file
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken samples
    padding: float = 1.25  # a crop is this much larger than the box
    sigma: float = 2.0  # of the target Gaussians, in heatmap cells
    augmentation: AugmentationSection = field(default_factory=AugmentationSection)
    # Whose files these are, and with that how predictions are judged.
    format: Literal["coco", "crowdpose", "mpii"] = "coco"
    # How keypoints become heatmaps and back: plain (the official code), dark (Gaussians
    # around the exact place), udp (those too, and lengths from middle to middle of
    # pixels) or udp_offsets (a disc and two maps of offsets a keypoint).
    encoding: Encoding = "plain"

    def __post_init__(self):
        super().__post_init__()
        positive("data.padding", self.padding)
        positive("data.sigma", self.sigma)


@dataclass(frozen=True)
class PoseTrain(TrainSection):
    """The recipe; the defaults are the official one for COCO."""

    epochs: int = 210
    drop_at: tuple[int, ...] = (170, 200)
    hardest_keypoints: int = 0  # OHKM: average only this many largest errors
    keypoint_weights: bool = False  # weigh keypoints as the keypoint set says

    def __post_init__(self):
        super().__post_init__()
        not_negative("train.hardest_keypoints", self.hardest_keypoints)


@dataclass(frozen=True)
class EvaluateSection:
    """How predictions are made and judged."""

    batch_size: int = 32  # people that are looked at together
    flip: bool = True  # average with the mirrored image
    # Move mirrored heatmaps by one cell, as the official code does; None: if the
    # encoding needs it.
    shift: bool | None = None
    # How places are found between cells; None: as is usual for the encoding.
    refinement: Refinement | None = None
    keypoint_threshold: float = 0.2  # keypoints that count when a person is rescored
    nms_threshold: float = 0.9  # OKS above which the lower-scored of two people goes
    # Lower the scores of those who are like better ones, and keep the best 20 people.
    soft_nms: bool = False

    def __post_init__(self):
        positive("evaluate.batch_size", self.batch_size)


@dataclass(frozen=True)
class PoseConfig:
    """One experiment in top-down pose."""

    task: Literal["pose"] = "pose"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: PoseModel = field(default_factory=PoseModel)
    data: DataSection = field(default_factory=DataSection)
    train: PoseTrain = field(default_factory=PoseTrain)
    evaluate: EvaluateSection = field(default_factory=EvaluateSection)

    def __post_init__(self):
        encoding, refinement = self.data.encoding, self.evaluate.refinement
        problem = check_refinement(encoding, refinement or USUAL[encoding])
        if problem:
            raise InputError(f"`evaluate.refinement`: {problem}.")
