"""Faces in the `.mat` files of AFLW and COFW, as they are published."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import check_box
from hrnet_tf.tasks.keypoints.coco_checks import path_in
from hrnet_tf.tasks.landmarks.config import FacesSection
from hrnet_tf.tasks.landmarks.faces import Face, with_weights
from hrnet_tf.tasks.landmarks.matlab import (
    COFW,
    POINTS,
    MatlabImages,
    as_table,
    read_matlab,
)

AFLW = ("nameList", "data", "bbox", "mask_new", "ra")
TRAINED = 20000  # faces of AFLW, the first ones of its random order


def read_matlab_faces(
    section: FacesSection,
) -> tuple[list[Face], MatlabImages | None]:
    """Read the faces of AFLW's or COFW's annotations.

    Args:
        section: of AFLW with `part`.

    Returns:
        The faces, and the images where they are in the same file.

    Raises:
        InputError: if it is a file of something else.
    """
    path = section.annotations
    content = read_matlab(path)
    if all(name in content for name in AFLW):
        return _read_aflw(section, content), None
    for names in COFW:
        if all(name in content for name in names):
            return _read_cofw(path, content, names), MatlabImages(
                path, content, names[0]
            )
    found = [name for name in content if not name.startswith(("__", "#"))]
    raise InputError(
        f"{path} holds {', '.join(found) or 'nothing'}; {', '.join(AFLW)} are expected "
        f"of AFLW, and {', '.join(COFW[0])} or {', '.join(COFW[1])} of COFW."
    )


def _read_aflw(section: FacesSection, content: Mapping[str, Any]) -> list[Face]:
    path = section.annotations
    if not isinstance(content["nameList"], np.ndarray):
        raise InputError(
            f"{path} is of MATLAB's version 7.3, as AFLW's is not; save its variables "
            "again with -v7."
        )
    order = as_table(content["ra"]).ravel().astype(np.int64) - 1
    names = content["nameList"].ravel()
    points, boxes = as_table(content["data"]), as_table(content["bbox"])
    masks = as_table(content["mask_new"])
    counts = {len(each) for each in (order, names, points, boxes, masks)}
    if len(counts) > 1 or points.shape[1] % 2 or boxes.shape[1] != 4:
        raise InputError(
            f"{path}: its lists are of {sorted(counts)} faces, with {points.shape[1]} "
            f"coordinates and {boxes.shape[1]} sides of boxes."
        )
    trained = min(TRAINED, len(order))
    parts = {"train": slice(0, trained), "test": slice(trained, None), "": slice(None)}
    if section.part not in parts:
        raise InputError(
            f"{path} has the parts train and test, got part {section.part!r}."
        )
    return [
        _aflw_face(section, row, names, (points, boxes, masks))
        for row in order[parts[section.part]]
    ]


def _aflw_face(
    section: FacesSection,
    row: int,
    names: np.ndarray,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> Face:
    points, boxes, masks = (table[row] for table in tables)
    name = str(names[row].ravel()[0])
    left, right, top, bottom = boxes
    face = Face(
        path_in(section.images, name),
        f"face {row + 1} of {section.annotations} ({name})",
        with_weights(points.reshape(2, -1).T),
        subsets=("frontal",) if (masks == 1).all() else (),
    )
    face.take_box(check_box([left, top, right - left, bottom - top]))
    face.side = max(right - left, bottom - top)
    return face


def _read_cofw(
    path: str, content: Mapping[str, Any], names: tuple[str, str, str]
) -> list[Face]:
    _, points_key, boxes_key = names
    points, boxes = as_table(content[points_key]), as_table(content[boxes_key])
    if points.shape[1] < 2 * POINTS or boxes.shape != (len(points), 4):
        raise InputError(
            f"{path}: {points_key} is of shape {points.shape} and {boxes_key} of "
            f"{boxes.shape}; (n, {3 * POINTS}) and (n, 4) are expected."
        )
    faces = []
    for number, (row, box) in enumerate(zip(points, boxes, strict=True)):
        both = row[: 2 * POINTS].reshape(2, POINTS).T
        source = f"face {number + 1} of {path}"
        face = Face("", source, with_weights(both), number=number)
        face.take_box(check_box(box.tolist()))
        faces.append(face)
    return faces
