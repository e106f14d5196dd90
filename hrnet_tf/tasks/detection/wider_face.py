"""WIDER FACE's lists of faces to whole images with their faces."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.common.text_files import read_text
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.boxes import Box, check_box, check_place, shortened
from hrnet_tf.images.header import size_of
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.coco_objects import SMALLEST_BOX
from hrnet_tf.tasks.detection.config import ObjectsSection
from hrnet_tf.tasks.detection.objects import ObjectRow, Objects, Wanted, as_objects
from hrnet_tf.tasks.keypoints.coco_checks import check_file, file_sizes, path_in
from hrnet_tf.tasks.keypoints.coco_files import index
from hrnet_tf.tasks.keypoints.coco_repairs import Repairs

logger = logging.getLogger(__name__)

# Behind x, y, width, height of a face: blur, expression, illumination, invalid,
# occlusion, pose.
NUMBERS, INVALID = 10, 7


@dataclass(frozen=True)
class ListedImage:
    """An image of a list.

    Attributes:
        name: its path in the folder of images, such as `0--Parade/0_Parade_a_1.jpg`.
        line: of the file, from 1, in which its first face is.
        faces: the lines of its faces.
    """

    name: str
    line: int
    faces: tuple[str, ...]


class WiderFaces:
    """One part of WIDER FACE, as it is published.

    Faces that are marked invalid teach nothing; where boxes are judged by COCO's metric
    they are crowds, so that it does not matter whether they are found.

    Args:
        section: the list (`wider_face_train_bbx_gt.txt`) and the folder of its images
            (`WIDER_train/images`).
        wanted: what to take of it.
        reading: how image files are taken.

    Attributes:
        classes: one, faces.
        ground_truth: the faces as pycocotools has them; there once they are read.
        names: the path of each image in the folder, by its id: its place in the list.
        notes: what was left out, a line each.
        broken: what was skipped so far, a line each.
        unread: ids of images whose files are missing, empty or broken.

    Raises:
        InputError: if the list cannot be read, or masks are wanted.
    """

    def __init__(
        self,
        section: ObjectsSection,
        wanted: Wanted | None = None,
        reading: Reading = UPRIGHT,
    ):
        self.section, self.wanted = section, wanted or Wanted()
        self.reading = reading
        if self.wanted.masks:
            raise InputError(
                f"{section.annotations}: WIDER FACE has no masks; set "
                "model.masks=false."
            )
        self.classes = ObjectClasses.read("face")
        self.listed = read_list(section.annotations)
        self.names = {number: image.name for number, image in enumerate(self.listed, 1)}
        self.broken: list[str] = []
        self.notes: list[str] = []
        self.unread: set[int] = set()
        self.ground_truth: COCO = index({"images": [], "annotations": []})

    def objects(self) -> Objects:
        """The images with their faces.

        Raises:
            InputError: if samples are broken and the policy is to stop, or nothing is
                left.
        """
        problems = Problems(self.section.annotations, self.wanted.on_error)
        left_out = Repairs()
        rows: list[ObjectRow] = []
        annotations: list[dict[str, Any]] = []
        for row in self._rows(problems, left_out):
            rows.append(row)
            for box, crowd in zip(row.boxes, row.crowds, strict=True):
                x1, y1, x2, y2 = box
                width, height = x2 - x1, y2 - y1
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": row.number,
                        "category_id": self.classes.category_ids[0],
                        "bbox": [x1, y1, width, height],
                        "area": width * height,
                        "iscrowd": int(crowd),
                    }
                )
        self.notes = left_out.lines()
        for line in self.notes:
            logger.warning("%s: %s", self.section.annotations, line)
        problems.settle(len(rows))
        self.broken = problems.found
        images = [
            {"id": row.number, "file_name": self.names[row.number]}
            | {"height": row.size[0], "width": row.size[1]}
            for row in rows
        ]
        categories = [{"id": self.classes.category_ids[0], "name": "face"}]
        self.ground_truth = index(
            {"images": images, "annotations": annotations, "categories": categories}
        )
        return as_objects(rows)

    def _rows(self, problems: Problems, left_out: Repairs) -> Iterator[ObjectRow]:
        sizes = file_sizes(Path(self.section.images))
        for number, image in enumerate(self.listed, 1):
            file = Path(self.section.images) / image.name
            source = f"image {file} (line {image.line - 2})"
            try:
                path = path_in(self.section.images, image.name)
                check_file(path, sizes)
                row = ObjectRow(path, number, source, size_of(path, self.reading))
            except (InputError, OSError) as error:
                problems.add(f"{source}: {error}")
                self.unread.add(number)
                continue
            for line, face in enumerate(image.faces, image.line):
                self._add(row, face, line, problems, left_out)
            if self.wanted.training and not row.boxes and not self.wanted.empty:
                left_out.add(
                    "images have no faces (data.empty_images takes them): left out",
                    source,
                )
                continue
            yield row

    def _add(
        self, row: ObjectRow, face: str, line: int, problems: Problems, left: Repairs
    ) -> None:
        """Add a face to an image, unless it is broken or teaches nothing."""
        where = f"line {line}"
        try:
            box, invalid = _face(face)
            if 0 <= min(box[2:]) < SMALLEST_BOX:
                # The published lists have some.
                left.add("faces are narrower or lower than 1 pixel: left out", where)
                return
            check_place(check_box(list(box)), row.size[1], row.size[0])
        except InputError as error:
            problems.add(f"{where}, {row.source}: {error}")
            return
        if invalid and self.wanted.training:
            left.add("faces are marked invalid: left out", where)
            return
        row.add(box, 0, invalid)


def read_list(path: str) -> list[ListedImage]:
    """The images of a list of WIDER FACE.

    Args:
        path: for each image its name, the number of its faces, and a line for each
            face; one of zeros where there is none.

    Raises:
        InputError: if it is missing, empty or no such list.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    found, place = [], 0
    while place < len(lines):
        name = lines[place]
        count = lines[place + 1] if place + 1 < len(lines) else ""
        if not name.lower().endswith((".jpg", ".jpeg", ".png")) or not count.isdigit():
            raise InputError(
                f"{path}: line {place + 1} must be the name of an image, and the next "
                "one the number of its faces, as in WIDER FACE's lists, got "
                f"{shortened(repr(name))} and {shortened(repr(count))}."
            )
        first, number = place + 2, int(count)
        faces = tuple(lines[first : first + number])
        if len(faces) < number:
            raise InputError(
                f"{path}: line {place + 2} says that {name} has {number} faces, there "
                f"are {len(faces)} lines left."
            )
        found.append(ListedImage(name, first + 1, faces))
        place = first + number
        if not number and place < len(lines) and _is_zeros(lines[place]):
            place += 1
    if not found:
        raise InputError(f"{path} is empty; it must be a list of WIDER FACE.")
    return found


def _is_zeros(line: str) -> bool:
    return bool(line) and set(line.split()) == {"0"}


def _face(line: str) -> tuple[Box, bool]:
    """Box and whether it is marked invalid."""
    words = line.split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, NUMBERS):
        raise InputError(
            f"a face must be {NUMBERS} numbers (or the first 4 of them: x, y, width, "
            f"height), got {shortened(repr(line))}"
        )
    x, y, width, height = numbers[:4]
    return (x, y, width, height), len(numbers) == NUMBERS and numbers[INVALID] == 1
