"""COCO's annotations of drawn objects: keypoints, and instances."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pycocotools import mask as run_lengths

from hrnet_tf.common.opencv import cv2
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet

SIDE = 256  # pixels, of every image

# An object of which less is seen is not annotated as an instance.
LEAST_PIXELS, LEAST_SHARE = 16, 0.1

# Joints by name, x and y in pixels.
Points = dict[str, np.ndarray]


def nearest_pixel(point: ArrayLike) -> tuple[int, int]:
    """The column and row of an image that a point lies in, or is nearest to."""
    x, y = np.clip(np.round(np.asarray(point)), 0, SIDE - 1).astype(int)
    return int(x), int(y)


def keypoint_annotation(
    thing: Mapping[str, Any], seen: np.ndarray, category: int, keypoints: KeypointSet
) -> dict[str, Any] | None:
    """COCO's keypoint annotation of an object; None: nothing of it is seen.

    Args:
        thing: with its `mask`, bool `(SIDE, SIDE)`, as if nothing covered it, and a
            person's `points`.
        seen: bool `(SIDE, SIDE)`, what is seen of it.
        category: its id.
        keypoints: that people have.
    """
    visible = seen.astype(np.uint8)
    contours, _ = cv2.findContours(visible, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons = [contour.ravel().tolist() for contour in contours if len(contour) > 2]
    if not polygons:
        return None
    annotation = {
        "category_id": category,
        "bbox": _box_around(thing["mask"]),
        "area": int(seen.sum()),
        "segmentation": polygons,
        "iscrowd": 0,
    }
    if "points" in thing:
        flat = []
        for name in keypoints.names:
            x, y = thing["points"][name]
            column, row = nearest_pixel((x, y))
            flat += [round(float(x), 2), round(float(y), 2), 1 + int(seen[row, column])]
        annotation |= {"keypoints": flat, "num_keypoints": len(flat) // 3}
    return annotation


def instance_annotation(
    whole: np.ndarray, seen: np.ndarray, category: int
) -> dict[str, Any] | None:
    """COCO's instance annotation of an object: of what is seen of it.

    Args:
        whole: bool `(SIDE, SIDE)`, the object as if nothing covered it.
        seen: bool `(SIDE, SIDE)`.
        category: its id.

    Returns:
        With a polygon of an object in one piece without holes, else with run lengths;
        None: too little of it is seen.
    """
    if seen.sum() < max(LEAST_PIXELS, LEAST_SHARE * whole.sum()):
        return None
    # Twice as fine, so that the polygon runs between the pixels' middles and edges.
    finer = np.repeat(np.repeat(seen, 2, axis=0), 2, axis=1).astype(np.uint8)
    contours, _ = cv2.findContours(finer, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outline: Any
    if len(contours) == 1 and len(contours[0]) > 2:
        outline = [((contours[0].ravel() + 0.5) / 2).tolist()]
    else:
        outline = run_lengths.encode(np.asfortranarray(seen.astype(np.uint8)))
        outline["counts"] = outline["counts"].decode()
    return {
        "category_id": category,
        "bbox": _box_around(seen),
        "area": int(seen.sum()),
        "segmentation": outline,
        "iscrowd": 0,
    }


def categories_of(
    classes: Sequence[str], keypoints: KeypointSet | None = None
) -> list[dict[str, Any]]:
    """COCO's categories of classes, the first of which is the background.

    Args:
        classes: names; the second one is the person.
        keypoints: that people have; None: they are not annotated.
    """
    categories: list[dict[str, Any]] = [
        {"id": number, "name": name} for number, name in enumerate(classes) if number
    ]
    if keypoints is not None:
        categories[0]["keypoints"] = list(keypoints.names)
        categories[0]["skeleton"] = (keypoints.bones + 1).tolist()
    return categories


def _box_around(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
