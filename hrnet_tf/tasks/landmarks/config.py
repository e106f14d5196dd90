"""What the configuration of an experiment in facial landmarks may say."""

from dataclasses import dataclass, field
from typing import Literal

from hrnet_tf.common.config import (
    FilesSection,
    NetworkSection,
    TrainSection,
    positive,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.upsampling import Upsampling
from hrnet_tf.tasks.keypoints.config import check_crop_changes


@dataclass(frozen=True)
class LandmarkModel(NetworkSection):
    """The network."""

    name: Literal["HRNetLandmarks"] = "HRNetLandmarks"
    width: int | str = 18
    upsampling: Upsampling = "bilinear"
    bn_momentum: float = 0.99
    size: tuple[int, int] = (256, 256)  # height and width of a crop, the same

    def __post_init__(self):
        super().__post_init__()
        if self.size[0] != self.size[1]:
            raise InputError(
                f"`model.size` must be a square, got {list(self.size)}: faces are cut "
                "out as squares."
            )


@dataclass(frozen=True)
class FacesSection:
    """One part of a data set."""

    # WFLW's list (.txt), a table (.csv), COCO's format (.json), AFLW's or COFW's .mat,
    # or a folder of .pts files.
    annotations: str = "???"
    images: str = ""  # folder of the images; "": they are in the annotations (COFW)
    # annotated; points: around the annotated points; or a detector's boxes, COCO
    # results.
    boxes: str = "annotated"
    box_threshold: float = 0.0  # detections with a lower score are left out
    # Of annotations that hold several parts: train or test of AFLW's .mat; train,
    # common, challenge, full or test of a folder with the parts of 300W.
    part: str = ""


@dataclass(frozen=True)
class FaceAugmentation:
    """Random changes of training crops; the defaults are the official recipe."""

    scale: float = 0.25  # largest change, uniform
    rotation: float = 30.0  # degrees; largest turn, uniform
    rotation_probability: float = 0.6  # share of samples that are turned
    flip_probability: float = 0.5  # share of samples that are mirrored
    brightness: float = 0.0  # largest change, as a share of the range
    contrast: float = 0.0  # largest change, as a share of the contrast

    def __post_init__(self):
        check_crop_changes(self)


@dataclass(frozen=True)
class FaceData(FilesSection):
    """Where samples come from and how they are cut."""

    train: FacesSection = field(default_factory=FacesSection)
    validation: FacesSection = field(default_factory=FacesSection)
    landmarks: str = "wflw"  # a shipped set or a YAML file
    on_error: Literal["stop", "skip"] = "stop"  # what to do about broken samples
    padding: float = 1.25  # a crop is this much larger than the box
    sigma: float = 1.5  # of the target Gaussians, in heatmap cells
    # official: whole pixels and cells, stretched contrast, as published weights expect;
    # affine: fractions of both, colours as they are.
    rule: Literal["official", "affine"] = "official"
    # official: whether images that are made smaller are stretched then too (not COFW's)
    stretched_twice: bool = True
    augmentation: FaceAugmentation = field(default_factory=FaceAugmentation)

    def __post_init__(self):
        super().__post_init__()
        positive("data.padding", self.padding)
        positive("data.sigma", self.sigma)


@dataclass(frozen=True)
class LandmarkTrain(TrainSection):
    """The recipe; the defaults are the official one."""

    epochs: int = 60
    batch_size: int = 16
    learning_rate: float = 0.0001
    drop_at: tuple[int, ...] = (30, 50)


@dataclass(frozen=True)
class LandmarkEvaluate:
    """How predictions are made and judged."""

    batch_size: int = 32  # faces that are looked at together
    flip: bool = False  # average with the mirrored image
    # How places are found between cells: not at all, by a quarter towards the higher
    # neighbour (the official code), or by DARK.
    refinement: Literal["none", "quarter", "dark"] = "quarter"

    def __post_init__(self):
        positive("evaluate.batch_size", self.batch_size)


@dataclass(frozen=True)
class LandmarkConfig:
    """One experiment in facial landmarks."""

    task: Literal["landmarks"] = "landmarks"  # whose keys these are
    output: str = ""  # the run's folder; "": saved_models/ and the file's name
    seed: int = 0  # of everything random: weights, order, changes of images
    model: LandmarkModel = field(default_factory=LandmarkModel)
    data: FaceData = field(default_factory=FaceData)
    train: LandmarkTrain = field(default_factory=LandmarkTrain)
    evaluate: LandmarkEvaluate = field(default_factory=LandmarkEvaluate)
