"""Faces in the `.mat` files of AFLW and COFW, as they are published."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.boxes import Box, check_box
from hrnet_tf.tasks.keypoints.coco_checks import path_in
from hrnet_tf.tasks.keypoints.matlab import as_table, read_matlab, too_new
from hrnet_tf.tasks.landmarks.config import FacesSection
from hrnet_tf.tasks.landmarks.faces import Face, with_weights
from hrnet_tf.tasks.landmarks.matlab_images import MatlabImages

AFLW = ("nameList", "data", "bbox", "mask_new", "ra")
TRAINED = 20000  # faces of AFLW, the first ones of its random order

# Names of images, points and boxes in COFW's files, for training and for the test.
COFW = (("IsTr", "phisTr", "bboxesTr"), ("IsT", "phisT", "bboxesT"))
POINTS = 29  # of COFW: as many x, then y, then whether something covers them


def read_matlab_faces(
    section: FacesSection, problems: Problems
) -> tuple[list[Face], MatlabImages | None]:
    """Read the faces of AFLW's or COFW's annotations.

    Args:
        section: of AFLW with `part`.
        problems: takes what is broken.

    Returns:
        The faces, and the images where they are in the same file.

    Raises:
        InputError: if it is a file of something else.
    """
    path = section.annotations
    content = read_matlab(path)
    if all(name in content for name in AFLW):
        return _read_aflw(section, content, problems), None
    for names in COFW:
        if all(name in content for name in names):
            if section.part:
                raise InputError(
                    f"{path} of COFW is one part, so part {section.part!r} cannot be "
                    "taken of it."
                )
            found = _read_cofw(path, content, names, problems)
            return found, MatlabImages(path, content, names[0])
    there = [name for name in content if not name.startswith(("__", "#"))]
    raise InputError(
        f"{path} holds {', '.join(there) or 'nothing'}; {', '.join(AFLW)} are expected "
        f"of AFLW, and {', '.join(COFW[0])} or {', '.join(COFW[1])} of COFW."
    )


def _read_aflw(
    section: FacesSection, content: Mapping[str, Any], problems: Problems
) -> list[Face]:
    path = section.annotations
    if not isinstance(content["nameList"], np.ndarray):
        raise too_new(path)
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
    faces = []
    for row in order[parts[section.part]]:
        name = str(names[row].ravel()[0])
        source = f"face {row + 1} of {path} ({name})"
        left, right, top, bottom = boxes[row]
        try:
            file = path_in(section.images, name)
            face = _face(file, source, points[row], (left, top, right, bottom))
        except InputError as error:
            problems.add(f"{source}: {error}")
            continue
        face.side = max(right - left, bottom - top)
        face.subsets = ("frontal",) if (masks[row] == 1).all() else ()
        faces.append(face)
    return faces


def _face(file: str, source: str, coordinates: np.ndarray, corners: Box) -> Face:
    """A face, from all x and then all y, and left, top, right, bottom of its box."""
    face = Face(file, source, with_weights(coordinates.reshape(2, -1).T))
    left, top, right, bottom = map(float, corners)
    face.take_box(check_box([left, top, right - left, bottom - top]))
    return face


def _read_cofw(
    path: str,
    content: Mapping[str, Any],
    names: tuple[str, str, str],
    problems: Problems,
) -> list[Face]:
    _, points_key, boxes_key = names
    points, boxes = as_table(content[points_key]), as_table(content[boxes_key])
    if points.shape[1] < 2 * POINTS or boxes.shape != (len(points), 4):
        raise InputError(
            f"{path}: {points_key} is of shape {points.shape} and {boxes_key} of "
            f"{boxes.shape}; (n, {3 * POINTS}) and (n, 4) are expected."
        )
    faces = []
    for number, (row, (x, y, width, height)) in enumerate(
        zip(points[:, : 2 * POINTS], boxes, strict=True)
    ):
        source = f"face {number + 1} of {path}"
        try:
            face = _face("", source, row, (x, y, x + width, y + height))
        except InputError as error:
            problems.add(f"{source}: {error}")
            continue
        face.number = number
        faces.append(face)
    return faces
