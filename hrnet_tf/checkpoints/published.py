"""Weights that the authors and the frameworks have published, by name."""

from dataclasses import dataclass, field, replace
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.upsampling import Upsampling

# Classifiers, whose bodies all other networks start from, but for those with another:
# two start from a ResNet, which is no network of this package, and two from none.
CLASSIFIER, RESNET = "HRNetClassifier", "ResNet"
OTHER_BODIES: dict[str, str | None] = {
    "SimpleBaseline": RESNET,
    "DeepLabV3": RESNET,
    "PSPNet": None,
    "LiteHRNet": None,
}

OFFICIAL = "https://github.com/HRNet"
CLASSIFICATION = f"{OFFICIAL}/HRNet-Image-Classification"
SEGMENTATION = f"{OFFICIAL}/HRNet-Semantic-Segmentation"
LANDMARKS = f"{OFFICIAL}/HRNet-Facial-Landmark-Detection"
HIGHER = f"{OFFICIAL}/HigherHRNet-Human-Pose-Estimation"
POSE = "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch"
MMPOSE = "https://github.com/open-mmlab/mmpose"
TORCHVISION = "https://github.com/pytorch/vision"

IMAGENET_FILES = (
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-hrnet"
)
DISTILLED_FILES = f"{CLASSIFICATION}/releases/download/PretrainedWeights"
SEGMENTATION_FILES = (
    "https://github.com/hsfzxjy/models.storage/releases/download/HRNet-OCR"
)
TORCHVISION_FILES = "https://download.pytorch.org/models"
MMPOSE_FILES = "https://download.openmmlab.com/mmpose/top_down"


@dataclass(frozen=True)
class Published:
    """A published file of weights.

    Attributes:
        name: what `weights=` calls it.
        model: the constructor of the network that it holds, or `RESNET`.
        width: as the constructor takes it, or ResNet's depth.
        file: the file's name.
        url: where it is downloaded; None: its page has no direct link.
        sha256: the hash or as much of its beginning as the file's name tells; None:
            not known.
        license: of the weights' source, an SPDX name.
        score: as its page states it.
        page: where it is published.
        upsampling: the rule that it was trained with.
        inplace_batch_norm: as for `load_checkpoint`.
        arguments: what else the whole network must be built with.
        encoding: how its answers mean keypoints, where that is another than the usual
            one; see `HeatmapCodec`.
        color_order: the order of colours that it has learnt.
    """

    name: str
    model: str
    width: int | str
    file: str
    url: str | None
    sha256: str | None
    license: str
    score: str
    page: str
    upsampling: Upsampling = "nearest"
    inplace_batch_norm: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    encoding: str | None = None
    color_order: str = "RGB"

    @property
    def needs(self) -> dict[str, Any]:
        """What the whole network must be built with, besides its width."""
        return {**self.arguments, "upsampling": self.upsampling}


def find_published(model: str, width: int | str, name: str) -> Published:
    """Look up published weights.

    Args:
        model: the constructor's name, or `RESNET`.
        width: as the constructor takes it, or ResNet's depth.
        name: such as `"imagenet"`.

    Returns:
        The row of this network, or else of the classifier whose body it can take.

    Raises:
        InputError: if there are none of this name; it lists the known ones.

    Example:
        ```python
        find_published("HRNetV2", 48, "imagenet").score  # "ImageNet top-1 79.3 %, ..."
        ```
    """
    models = (model, OTHER_BODIES.get(model, CLASSIFIER))
    rows = [row for row in PUBLISHED if row.model in models]
    if not rows:
        raise InputError(
            f"No weights for {model} are known by name ({name!r} was asked for): give "
            "the path of a file."
        )
    fitting = [row for row in rows if row.width == width]
    for row in fitting:
        if row.name == name:
            return row
    names = ", ".join(row.name for row in fitting)
    widths = ", ".join(dict.fromkeys(str(row.width) for row in rows))
    variant = "depth" if RESNET in (rows[0].model, *models) else "width"
    known = f"known are {names}" if names else f"there are some of {variant} {widths}"
    raise InputError(
        f"There are no published weights {name!r} for {model} of {variant} {width}: "
        f"{known}; or give the path of a file."
    )


def _imagenet(width: int | str, stem: str, digest: str, score: str) -> Published:
    file = f"{stem}-{digest}.pth"
    return Published(
        "imagenet",
        CLASSIFIER,
        width,
        file,
        f"{IMAGENET_FILES}/{file}",
        digest,
        "MIT",
        f"ImageNet {score} at 224x224",
        CLASSIFICATION,
        arguments={"classes": 1000},
    )


def _resnet(depth: int, digest: str, score: str) -> Published:
    file = f"resnet{depth}-{digest}.pth"
    return Published(
        "imagenet",
        RESNET,
        depth,
        file,
        f"{TORCHVISION_FILES}/{file}",
        digest,
        "BSD-3-Clause",
        f"ImageNet {score} at 224x224",
        TORCHVISION,
        arguments={"classes": 1000},
    )


def _distilled(width: int, score: str) -> Published:
    file = f"HRNet_W{width}_C_ssld_pretrained.pth"
    return Published(
        "imagenet_ssld",
        CLASSIFIER,
        width,
        file,
        f"{DISTILLED_FILES}/{file}",
        None,
        "Apache-2.0",
        f"ImageNet top-1 {score} %",
        CLASSIFICATION,
        arguments={"classes": 1000},
    )


def _pose(width: int, size: str, digest: str, score: str) -> Published:
    file = f"hrnet_w{width}_coco_{size}-{digest}_20200708.pth"
    return Published(
        f"coco_{size}",
        "HRNetV1",
        width,
        file,
        f"{MMPOSE_FILES}/hrnet/{file}",
        digest,
        "Apache-2.0",
        f"COCO val2017 AP {score}, detected boxes",
        MMPOSE,
        arguments={"keypoints": 17},
    )


def _pose_encoded(
    width: int, size: str, encoding: str, digest: str, score: str
) -> Published:
    """Of OpenMMLab's networks that have learnt UDP or DARK."""
    kind, (stem, day) = encoding.replace("offsets", "regress"), digest.split("_")
    file = f"hrnet_w{width}_coco_{size}_{kind}-{stem}_{day}.pth"
    folder = "hrnet" if encoding == "dark" else "udp"
    return Published(
        f"coco_{size}_{encoding}",
        "HRNetV1",
        width,
        file,
        f"{MMPOSE_FILES}/{folder}/{file}",
        stem,
        "Apache-2.0",
        f"COCO val2017 AP {score}, detected boxes, flip test",
        MMPOSE,
        arguments={"keypoints": 51 if encoding == "udp_offsets" else 17},
        encoding=encoding,
    )


def _pose_of(
    data: str, width: int, digest: str, score: str, encoding: str | None = None
) -> Published:
    """Of OpenMMLab's networks for MPII and CrowdPose."""
    size = "256x192" if data == "crowdpose" else "256x256"
    name = "_".join(filter(None, (data, size, encoding)))
    stem, day = digest.split("_")
    file = f"hrnet_w{width}_{name}-{stem}_{day}.pth"
    return Published(
        name,
        "HRNetV1",
        width,
        file,
        f"{MMPOSE_FILES}/hrnet/{file}",
        stem,
        "Apache-2.0",
        score,
        MMPOSE,
        arguments={"keypoints": 14 if data == "crowdpose" else 16},
        encoding=encoding,
    )


def _official_pose(width: int, size: str, score: str) -> Published:
    return Published(
        f"coco_{size}_official",
        "HRNetV1",
        width,
        f"pose_hrnet_w{width}_{size}.pth",
        None,
        None,
        "MIT",
        f"COCO val2017 AP {score}, detected boxes, flip test",
        POSE,
        arguments={"keypoints": 17},
    )


def _baseline(depth: int, size: str, score: str) -> Published:
    """Of the networks on ResNets in the same program."""
    file = f"pose_resnet_{depth}_{size}.pth"
    row = _official_pose(depth, size, score)
    return replace(row, model="SimpleBaseline", file=file, color_order="BGR")


def _labelling(name: str, classes: int, file: str, score: str) -> Published:
    ocr = "_ocr" in name
    # The configurations turn aligned corners off for three data sets without OCR.
    half_pixel = name in ("cityscapes", "lip", "pascal_context")
    return Published(
        name,
        "HRNetV2",
        48,
        file,
        f"{SEGMENTATION_FILES}/{file}",
        None,
        "MIT",
        f"mIoU {score}",
        f"{SEGMENTATION}/tree/HRNet-OCR",
        "bilinear" if half_pixel else "bilinear_align_corners",
        file.endswith("_torch04.pth"),
        {"classes": classes, "ocr": ocr},
    )


def _higher(width: int, side: int, score: str) -> Published:
    return Published(
        f"coco_{side}",
        "HigherHRNet",
        width,
        f"pose_higher_hrnet_w{width}_{side}.pth",
        None,
        None,
        "MIT",
        f"COCO val2017 AP {score}, single scale, flip test",
        HIGHER,
        arguments={"keypoints": 17},
    )


def _face(name: str, landmarks: int, score: str) -> Published:
    return Published(
        name.lower(),
        "HRNetLandmarks",
        18,
        f"HR18-{name}.pth",
        None,
        None,
        "MIT",
        f"NME {score}",
        LANDMARKS,
        "bilinear",
        arguments={"landmarks": landmarks},
    )


PUBLISHED: tuple[Published, ...] = (
    _imagenet(
        "18_small_v1", "hrnet_w18_small_v1", "f460c6bc", "top-1 72.3 %, top-5 90.7 %"
    ),
    _imagenet(
        "18_small_v2", "hrnet_w18_small_v2", "4c50a8cb", "top-1 75.1 %, top-5 92.4 %"
    ),
    _imagenet(18, "hrnetv2_w18", "8cb57bb9", "top-1 76.8 %, top-5 93.4 %"),
    _imagenet(30, "hrnetv2_w30", "8d7f8dab", "top-1 78.2 %, top-5 94.2 %"),
    _imagenet(32, "hrnetv2_w32", "90d8c5fb", "top-1 78.5 %, top-5 94.2 %"),
    _imagenet(40, "hrnetv2_w40", "7cd397a4", "top-1 78.9 %, top-5 94.5 %"),
    _imagenet(44, "hrnetv2_w44", "c9ac8c18", "top-1 78.9 %, top-5 94.4 %"),
    _imagenet(48, "hrnetv2_w48", "abd2e6ab", "top-1 79.3 %, top-5 94.5 %"),
    _imagenet(64, "hrnetv2_w64", "b47cc881", "top-1 79.5 %, top-5 94.6 %"),
    _resnet(50, "19c8e357", "top-1 76.1 %, top-5 92.9 %"),
    _resnet(101, "5d3b4d8f", "top-1 77.4 %, top-5 93.5 %"),
    _resnet(152, "b121ed2d", "top-1 78.3 %, top-5 94.0 %"),
    _distilled(18, "81.2"),
    _distilled(48, "83.6"),
    _pose(32, "256x192", "c78dce93", "74.6"),
    _pose(32, "384x288", "d9f0d786", "76.0"),
    _pose(48, "256x192", "b9e0b3ab", "75.6"),
    _pose(48, "384x288", "314c8528", "76.7"),
    _pose_encoded(32, "256x192", "udp", "aba0be42_20210220", "76.0"),
    _pose_encoded(32, "384x288", "udp", "e97c1a0f_20210223", "76.8"),
    _pose_encoded(48, "256x192", "udp", "2554c524_20210223", "76.7"),
    _pose_encoded(48, "384x288", "udp", "0f89c63e_20210223", "77.3"),
    _pose_encoded(32, "256x192", "udp_offsets", "be2dbba4_20210222", "75.8"),
    _pose_encoded(32, "256x192", "dark", "07f147eb_20200812", "75.7"),
    _pose_encoded(32, "384x288", "dark", "307dafc2_20210203", "76.6"),
    _pose_encoded(48, "256x192", "dark", "8cba3197_20200812", "76.4"),
    _pose_encoded(48, "384x288", "dark", "e881a4b6_20210203", "77.2"),
    _pose_of("mpii", 32, "6c4f923f_20200812", "MPII val PCKh@0.5 90.0, @0.1 33.4"),
    _pose_of("mpii", 48, "92cab7bd_20200812", "MPII val PCKh@0.5 90.1, @0.1 33.7"),
    _pose_of(
        "mpii", 32, "f1601c5b_20200927", "MPII val PCKh@0.5 90.4, @0.1 35.4", "dark"
    ),
    _pose_of(
        "mpii", 48, "0decd39f_20200927", "MPII val PCKh@0.5 90.5, @0.1 36.0", "dark"
    ),
    _pose_of(
        "crowdpose",
        32,
        "960be101_20201227",
        "CrowdPose test AP 67.5 (easy 77.0, medium 68.7, hard 55.3), detected boxes",
    ),
    _official_pose(32, "256x192", "74.4"),
    _official_pose(32, "384x288", "75.8"),
    _official_pose(48, "256x192", "75.1"),
    _official_pose(48, "384x288", "76.3"),
    _baseline(50, "256x192", "70.4"),
    _baseline(50, "384x288", "72.2"),
    _baseline(101, "256x192", "71.4"),
    _baseline(101, "384x288", "73.6"),
    _baseline(152, "256x192", "72.0"),
    _baseline(152, "384x288", "74.3"),
    _labelling("cityscapes", 19, "hrnet_cs_8090_torch11.pth", "80.9 on val"),
    _labelling("cityscapes_ocr", 19, "hrnet_ocr_cs_8162_torch11.pth", "81.6 on val"),
    _labelling(
        "cityscapes_ocr_trainval",
        19,
        "hrnet_ocr_cs_trainval_8227_torch11.pth",
        "82.3 on test, scales and flip",
    ),
    _labelling("lip", 20, "hrnet_lip_5583_torch04.pth", "55.83 on val, flip"),
    _labelling("lip_ocr", 20, "hrnet_ocr_lip_5648_torch04.pth", "56.48 on val, flip"),
    _labelling(
        "pascal_context",
        59,
        "hrnet_pascal_ctx_5410_torch11.pth",
        "54.1, scales and flip",
    ),
    _labelling(
        "pascal_context_ocr",
        59,
        "hrnet_ocr_pascal_ctx_5618_torch11.pth",
        "56.2, scales and flip",
    ),
    _labelling("coco_stuff", 171, "hrnet_cocostuff_3617_torch04.pth", "36.2"),
    _labelling("coco_stuff_ocr", 171, "hrnet_ocr_cocostuff_3965_torch04.pth", "39.7"),
    _labelling("ade20k", 150, "hrnet_ade20k_4312_torch04.pth", "43.1"),
    _labelling("ade20k_ocr", 150, "hrnet_ocr_ade20k_4451_torch04.pth", "44.5"),
    _higher(32, 512, "67.1"),
    _higher(32, 640, "68.5"),
    _higher(48, 640, "69.9"),
    _face("WFLW", 98, "4.60 on WFLW's test set"),
    _face("300W", 68, "3.34 on 300W's full set"),
    _face("COFW", 29, "3.45 on COFW"),
    _face("AFLW", 19, "1.57 on AFLW's full set"),
)
