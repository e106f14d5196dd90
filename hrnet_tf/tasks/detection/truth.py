"""Annotated objects, drawn as those that are found."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.drawing import draw_objects
from hrnet_tf.tasks.detection.objects import Objects
from hrnet_tf.tasks.detection.result import FoundObjects
from hrnet_tf.tasks.keypoints.outlines import pixels_inside


def draw_annotated(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    classes: ObjectClasses,
    pixels: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Draw annotated objects on a copy of an image.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        boxes: `(n, 4)`, x1, y1, x2, y2 in its pixels.
        labels: int `(n,)`.
        classes: what they mean.
        pixels: bool `(height, width)` for each; None: there are no masks.

    Returns:
        uint8 RGB of the same shape.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    # The smallest last: those in front, mostly, and nothing hides them.
    order = np.argsort(sides.prod(axis=1), kind="stable")
    found = FoundObjects(
        np.concatenate([boxes[:, :2], sides], axis=1)[order],
        np.ones(len(boxes), np.float32),
        np.asarray(labels, np.int64)[order],
        classes,
        (image.shape[0], image.shape[1]),
    )
    masks = None if pixels is None else [pixels[index] for index in order]
    return draw_objects(image, found, scores=False, pixels=masks)


def draw_row(
    image: np.ndarray, objects: Objects, row: int, classes: ObjectClasses
) -> np.ndarray:
    """Draw the annotated objects of an image; see `draw_annotated`."""
    size = (image.shape[0], image.shape[1])
    outlines = objects.outlines[row]
    masks = None
    if all(outline is not None for outline in outlines):
        masks = [pixels_inside(outline, size) for outline in outlines]
    return draw_annotated(
        image, objects.boxes[row], objects.labels[row], classes, masks
    )
