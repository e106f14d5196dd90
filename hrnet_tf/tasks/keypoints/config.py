"""Sections that experiments with keypoints share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CocoSection:
    """One part of a data set."""

    annotations: str = "???"  # COCO keypoint annotations, JSON
    images: str = "???"  # folder of the images
    boxes: str | None = None  # a detector's boxes, COCO results; None: annotated ones
    box_threshold: float = 0.0  # detections with a lower score are left out
