"""Annotations of faces, whatever their format, and the boxes to look at them in."""

import logging
import os
from pathlib import Path

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import Policy, Problems
from hrnet_tf.images.boxes import Box
from hrnet_tf.tasks.keypoints.detections import (
    Detections,
    ImageIndex,
    check_detection,
)
from hrnet_tf.tasks.landmarks.coco_faces import read_coco_faces
from hrnet_tf.tasks.landmarks.config import FacesSection
from hrnet_tf.tasks.landmarks.faces import Face, Faces, check_face, columns
from hrnet_tf.tasks.landmarks.geometry import UNIT
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.matlab_faces import read_matlab_faces
from hrnet_tf.tasks.landmarks.matlab_images import MatlabImages
from hrnet_tf.tasks.landmarks.text_faces import (
    read_list,
    read_points,
    read_table,
    subset_of_300w,
)

logger = logging.getLogger(__name__)

ANNOTATED, AROUND = "annotated", "points"  # of `FacesSection.boxes`
FORMATS = (
    "a list as WFLW has it (.txt), a table (.csv), COCO's format (.json), AFLW's or "
    "COFW's .mat, or a folder of .pts files"
)
# A detector's box is a face's if they share so much of what both cover.
SHARED = 0.2


class LandmarkFaces:
    """One part of a data set of faces.

    Args:
        section: the annotations, the images, and which boxes to take.
        landmarks: the set that the annotations must hold.
        on_error: `"stop"` or `"skip"`: what to do about broken samples.

    Attributes:
        faces: in columns.
        notes: what there is to tell of it, a line each.
        broken: what was skipped, a line each.
        undetected: how many faces no detected box shows; they are left out.

    Raises:
        InputError: if the annotations cannot be read, do not hold these landmarks, or
            samples are broken and `on_error` is `"stop"`.

    Example:
        ```python
        section = FacesSection("list_98pt_rect_attr_test.txt", "WFLW_images")
        part = LandmarkFaces(section, LandmarkSet.read("wflw"))
        part.faces.points  # (2500, 98, 3)
        ```
    """

    def __init__(
        self, section: FacesSection, landmarks: LandmarkSet, on_error: Policy = "stop"
    ):
        self.section = section
        self.landmarks = landmarks
        self.notes: list[str] = []
        self.undetected = 0
        problems = Problems(section.annotations, on_error)
        found, archive, category = self._read(problems)
        found = self._whole(found, problems)
        if section.boxes not in (ANNOTATED, AROUND):
            found = self._detected(found, category, on_error)
        problems.settle(len(found))
        self.broken = list(problems.found)
        for line in self.notes:
            logger.warning("%s: %s", section.annotations, line)
        self.faces: Faces = columns(found, archive)

    def _read(self, problems: Problems) -> tuple[list[Face], MatlabImages | None, int]:
        section, landmarks = self.section, self.landmarks
        path, count = Path(section.annotations), len(self.landmarks)
        several = path.is_dir() or path.suffix.lower() == ".mat"
        if section.part and not several:
            raise InputError(
                f"{path} has no parts, so part {section.part!r} cannot be taken of it."
            )
        archive, category = None, 1
        if path.is_dir():
            found = list(read_points(section, count, problems))
        elif path.suffix.lower() == ".mat":
            found, archive = read_matlab_faces(section, problems)
        elif path.suffix.lower() == ".txt":
            found = list(read_list(section, count, problems))
        elif path.suffix.lower() == ".csv":
            found = list(read_table(section, count, problems))
        elif path.suffix.lower() == ".json":
            found, notes, category = read_coco_faces(section, landmarks, problems)
            self.notes += notes
        elif path.exists():
            raise InputError(f"{path} is of no format that is known: {FORMATS}.")
        else:
            raise InputError(f"There is no file {path}; {FORMATS} is expected.")
        if landmarks.name == "300w":
            root = section.images or (section.annotations if path.is_dir() else "")
            for face in (face for face in found if face.file):
                name = os.path.relpath(face.file, root or os.curdir)
                face.subsets = face.subsets or subset_of_300w(name)
        return found, archive, category

    def _whole(self, found: list[Face], problems: Problems) -> list[Face]:
        """The faces that can be looked at, with their boxes."""
        whole, count, bare = [], len(self.landmarks), 0
        for face in found:
            try:
                if len(face.points) != count:
                    raise InputError(
                        f"it has {len(face.points)} points, the set "
                        f"{self.landmarks.name} has {count}"
                    )
                check_face(face)
                self._check_file(face)
                bare += face.center is None
                if face.center is None or self.section.boxes == AROUND:
                    face.take_box(face.box_around())
                check_face(face)
            except InputError as error:
                problems.add(f"{face.source}: {error}")
                continue
            whole.append(face)
        if bare and self.section.boxes == ANNOTATED:
            self.notes.append(
                f"{bare} faces have no annotated box: it is put around their points"
            )
        return whole

    def _check_file(self, face: Face) -> None:
        if not face.file:
            return
        try:
            size = os.path.getsize(face.file)
        except OSError:
            size = -1
        if size <= 0:
            state = "is empty" if size == 0 else "does not exist"
            raise InputError(f"the image file {face.file} {state}")

    def _detected(
        self, found: list[Face], category: int, on_error: Policy
    ) -> list[Face]:
        """The faces in the boxes of a detector; what it has not found is left out."""
        if any(not face.file for face in found):
            raise InputError(
                f"{self.section.annotations}: its images have no names that a "
                "detector's boxes could say; `boxes` must be annotated or points."
            )
        section = self.section
        detections = Detections(section.boxes, category, section.box_threshold)
        problems = Problems(detections.path, on_error)
        paths = {face.file: os.path.abspath(face.file) for face in found}
        ids = {face.image_id: face.file for face in found if face.image_id is not None}
        index = ImageIndex(paths, ids, os.path.abspath(section.images or "."))
        boxes: dict[str, list[Box]] = {}
        strays = 0
        for row in detections.rows:
            try:
                box, _ = check_detection(row)
                file = index.find(row)
            except InputError as error:
                problems.add(f"box {row['id']}: {error}")
                continue
            strays += file is None
            if file is not None:
                boxes.setdefault(file, []).append(box)
        seen = []
        for face in found:
            best = best_box(face.box_around(), boxes.get(face.file, []))
            if best is not None:
                face.side = face.scale * UNIT if face.side is None else face.side
                face.take_box(best)
                seen.append(face)
        problems.settle(max(len(seen), 1))
        self.undetected = len(found) - len(seen)
        self._tell(detections, strays)
        return seen

    def _tell(self, detections: Detections, strays: int) -> None:
        if left_out := detections.left_out():
            self.notes.append(f"{detections.path}: {left_out}")
        if strays:
            self.notes.append(f"{detections.path}: {strays} boxes are of no image here")
        if self.undetected:
            self.notes.append(
                f"{detections.path}: {self.undetected} faces are in no box of it "
                f"(sharing at least {SHARED:g}) and are left out"
            )


def best_box(own: Box, boxes: list[Box]) -> Box | None:
    """The box that shares most with one's own; None: none shares enough."""
    if not boxes:
        return None
    found = np.array(boxes)
    low = np.maximum(found[:, :2], own[:2])
    high = np.minimum(found[:, :2] + found[:, 2:], np.add(own[:2], own[2:]))
    both = np.maximum(high - low, 0).prod(axis=1)
    either = found[:, 2:].prod(axis=1) + own[2] * own[3] - both
    shares = both / np.maximum(either, 1e-9)
    best = int(shares.argmax())
    return boxes[best] if shares[best] >= SHARED else None
