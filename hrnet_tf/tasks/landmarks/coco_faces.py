"""Faces in COCO's keypoint format, own ones and the published sets in it."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.boxes import check_box, check_place, is_number, shortened
from hrnet_tf.tasks.keypoints.coco_checks import check_keypoints, path_in
from hrnet_tf.tasks.keypoints.coco_files import find_category, read_annotations
from hrnet_tf.tasks.keypoints.coco_repairs import Repairs
from hrnet_tf.tasks.landmarks.config import FacesSection
from hrnet_tf.tasks.landmarks.faces import Face
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet

Row = dict[str, Any]


def read_coco_faces(
    section: FacesSection, landmarks: LandmarkSet, problems: Problems
) -> tuple[list[Face], list[str], int]:
    """Faces of an annotation file in COCO's format.

    The box is what `center` and `scale` say, as the published sets in this format have
    them, or else `bbox`; `box_size` is the side that errors are divided by. Annotations
    without any annotated point are left out.

    Args:
        section: says the file and the folder of its images.
        landmarks: that the annotations must hold.
        problems: takes what is broken.

    Returns:
        The faces, what there is to tell, a line each, and the category's id.

    Raises:
        InputError: if the file is not in COCO's format.
    """
    repairs = Repairs()
    path = section.annotations
    coco = read_annotations(path, repairs)
    category = find_category(coco, landmarks, path)
    found = list(_faces(section, coco, category, len(landmarks), problems))
    faces = [face for face in found if (face.points[:, 2] > 0).any()]
    notes = repairs.lines()
    if empty := len(found) - len(faces):
        notes.append(f"{empty} annotations have no annotated point and are left out")
    return faces, notes, category


def _faces(
    section: FacesSection, coco: Any, category: int, count: int, problems: Problems
) -> Iterator[Face]:
    for item in coco.anns.values():
        if item["category_id"] != category or item.get("iscrowd"):
            continue
        name = f"annotation {item['id']}"
        image = coco.imgs.get(item["image_id"])
        if image is None:
            problems.add(f"{name}: there is no image with id {item['image_id']!r}")
            continue
        file = os.path.join(section.images, image["file_name"])
        source = f"{name} of {file} (image id {image['id']})"
        try:
            yield _face(section, item, image, count, source)
        except InputError as error:
            problems.add(f"{source}: {error}")


def _face(
    section: FacesSection, item: Row, image: Row, count: int, source: str
) -> Face:
    points = check_keypoints(item.get("keypoints"), count)
    points[:, 2] = points[:, 2] > 0
    points[:, :2] *= points[:, 2:]
    face = Face(
        path_in(section.images, image["file_name"]),
        source,
        points,
        image_id=image["id"],
        size=(image["height"], image["width"]),
    )
    center, scale = item.get("center"), item.get("scale")
    if center is not None and scale is not None:
        whole = isinstance(center, list) and len(center) == 2
        if not whole or not all(map(is_number, [*center, scale])):
            raise InputError(
                "`center` must be x and y and `scale` a number, got "
                f"{shortened(repr(center))} and {shortened(repr(scale))}"
            )
        face.center, face.scale = (float(center[0]), float(center[1])), float(scale)
    elif item.get("bbox") is not None:
        box = check_box(item["bbox"])
        check_place(box, image["width"], image["height"])
        face.take_box(box)
    if "box_size" in item:
        if not is_number(item["box_size"]) or item["box_size"] <= 0:
            raise InputError(
                f"`box_size` must be positive, got {shortened(repr(item['box_size']))}"
            )
        face.side = float(np.float64(item["box_size"]))
    return face
