"""Sections that experiments with keypoints share."""

from dataclasses import dataclass
from typing import Any

from hrnet_tf.common.config import not_negative, share
from hrnet_tf.common.errors import InputError


@dataclass(frozen=True)
class CocoSection:
    """One part of a data set."""

    annotations: str = "???"  # COCO keypoint annotations, JSON
    images: str = "???"  # folder of the images
    boxes: str | None = None  # a detector's boxes, COCO results; None: annotated ones
    box_threshold: float = 0.0  # detections with a lower score are left out


def check_crop_changes(section: Any) -> None:
    """Raise an InputError if random changes of training crops cannot be made.

    Args:
        section: has `scale`, `rotation`, `rotation_probability`, `flip_probability`,
            `brightness` and `contrast`.
    """
    if not 0 <= section.scale < 1:  # at 1 a crop would shrink to nothing
        raise InputError(
            "`data.augmentation.scale` must be at least 0 and less than 1, got "
            f"{section.scale}."
        )
    not_negative("data.augmentation.rotation", section.rotation)
    for name in ("rotation_probability", "flip_probability", "brightness", "contrast"):
        share(f"data.augmentation.{name}", getattr(section, name))
