"""COCO instance annotations to whole images with their objects."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.boxes import Box, check_box, check_place, is_number
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.config import ObjectsSection
from hrnet_tf.tasks.detection.objects import ObjectRow, Objects, Wanted, as_objects
from hrnet_tf.tasks.keypoints.coco_checks import check_file, file_sizes, path_in
from hrnet_tf.tasks.keypoints.coco_doubts import box_doubts
from hrnet_tf.tasks.keypoints.coco_files import index, read_annotations
from hrnet_tf.tasks.keypoints.coco_repairs import Repairs, as_crowd
from hrnet_tf.tasks.keypoints.outlines import check_outline, pixels_inside

logger = logging.getLogger(__name__)

Row = dict[str, Any]

# Pixels: what is smaller teaches nothing, as the reference program has it.
SMALLEST_IMAGE, SMALLEST_BOX = 32, 1.0


class CocoObjects:
    """One part of a data set with COCO's instance annotations.

    What is certain is repaired (an `area` that is missing, `iscrowd` as text), with one
    line of count for each kind; so is told what training leaves out.

    Args:
        section: the annotation file and the folder of its images.
        classes: that labels are of, see `ObjectClasses.read`; "": the file's own.
        wanted: what to take of the annotations.

    Attributes:
        classes: with the category ids of the file.
        ground_truth: the annotations of these classes without the broken ones, for
            pycocotools.
        notes: what was repaired or left out, and what looks wrong, a line each.
        broken: what was skipped so far, a line each.
        unread: ids of the images whose files are missing or empty; nothing in them can
            be judged.

    Raises:
        InputError: if the annotations cannot be read or do not have these classes.

    Example:
        ```python
        part = CocoObjects(config.data.validation, "coco")
        objects = part.objects()
        objects.boxes[0]  # x1, y1, x2, y2 of those in the first image
        ```
    """

    def __init__(
        self, section: ObjectsSection, classes: str = "", wanted: Wanted | None = None
    ):
        self.section, self.wanted = section, wanted or Wanted()
        path = section.annotations
        repairs = Repairs()
        truth = read_annotations(path, repairs)
        found = ObjectClasses.of_categories(truth.cats, path)
        self.classes = found
        if classes:
            self.classes = ObjectClasses.read(classes).of_file(found, path)
        self.broken: list[str] = []
        self.unread: set[int] = set()
        self._images = truth.imgs
        self._others: Counter[str] = Counter()
        own = [
            item
            for item in truth.dataset["annotations"]
            if self._is_whole(item, truth.cats, repairs)
        ]
        self.ground_truth = index(truth.dataset | {"annotations": own})
        pairs = [(item["bbox"], self._images[item["image_id"]]) for item in own]
        self.notes = [*repairs.lines(), *box_doubts(pairs)]
        if self._others:
            names = ", ".join(sorted(self._others))
            self.notes.append(
                f"{self._others.total()} annotations of categories that are not among "
                f"the classes of {self.classes.name} are left out: {names}"
            )
        self._tell(self.notes)

    def objects(self) -> Objects:
        """The images with their objects.

        Raises:
            InputError: if samples are broken and the policy is to stop, or nothing is
                left.
        """
        problems = Problems(self.section.annotations, self.wanted.on_error)
        for problem in self.broken:
            problems.add(problem)
        left_out = Repairs()
        rows = list(self._rows(problems, left_out))
        notes = left_out.lines()
        self._tell(notes)
        self.notes += notes
        problems.settle(len(rows))
        self.broken = list(dict.fromkeys([*self.broken, *problems.found]))
        return as_objects(rows)

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            logger.warning("%s: %s", self.section.annotations, line)

    def _rows(self, problems: Problems, left_out: Repairs) -> Iterator[ObjectRow]:
        sizes = file_sizes(Path(self.section.images))
        for number, image in self._images.items():
            source = self._source(image)
            try:
                file = path_in(self.section.images, image["file_name"])
                check_file(file, sizes)
            except InputError as error:
                problems.add(f"{source}: {error}")
                self.unread.add(number)
                continue
            size = image["height"], image["width"]
            row = ObjectRow(file, number, source, size)
            for item in self.ground_truth.imgToAnns.get(number, ()):
                if why := self._teaches_nothing(item):
                    left_out.add(f"{why}: left out", f"annotation {item['id']}")
                    continue
                row.add(
                    check_box(item["bbox"]),
                    self.classes.label_of[item["category_id"]],
                    bool(item["iscrowd"]),
                    item.get("segmentation") if self.wanted.masks else None,
                )
            if why := self._unfit(row):
                left_out.add(f"{why}: left out", source)
                continue
            yield row

    def _unfit(self, row: ObjectRow) -> str:
        """Why nothing can be learnt from an image, in words; empty: it can."""
        if not self.wanted.training:
            return ""
        if min(row.size) < SMALLEST_IMAGE:
            return f"images have a side of less than {SMALLEST_IMAGE} pixels"
        if all(row.crowds) and not self.wanted.empty:  # none at all too
            return "images have no objects (data.empty_images takes them)"
        return ""

    def _teaches_nothing(self, item: Row) -> str:
        """Why nothing can be learnt from an annotation; empty: it can."""
        if not self.wanted.training:
            return ""
        _, _, width, height = check_box(item["bbox"])
        if item.get("ignore"):
            return "annotations say `ignore`"
        if item["area"] <= 0:
            return "annotations have an `area` that is not above 0"
        if width < SMALLEST_BOX or height < SMALLEST_BOX:
            return f"boxes are narrower or lower than {SMALLEST_BOX:g} pixel"
        return ""

    def _is_whole(
        self, item: Row, categories: dict[int, Row], repairs: Repairs
    ) -> bool:
        """Check an annotation, and fill in what pycocotools needs of it."""
        category = item["category_id"]
        if category in categories and category not in self.classes.label_of:
            self._others[str(categories[category]["name"])] += 1
            return False
        image = self._images.get(item["image_id"])
        name = f"annotation {item['id']}"
        if image is not None:
            name += f" of {self._source(image)}"
        try:
            if category not in categories:
                raise InputError(
                    f"its category {category} is not listed in `categories`"
                )
            if image is None:
                raise InputError(f"there is no image with id {item['image_id']}")
            self._mend(item, image, repairs)
        except InputError as error:
            self.broken.append(f"{name}: {error}")
            return False
        return True

    def _mend(self, item: Row, image: Row, repairs: Repairs) -> None:
        where = f"annotation {item['id']}"
        item["iscrowd"] = as_crowd(item.get("iscrowd", 0), where, repairs)
        box = check_box(item.get("bbox"))
        check_place(box, image["width"], image["height"])
        size = image["height"], image["width"]
        outline = item.get("segmentation")
        if self.wanted.masks:
            if not outline:
                raise InputError(
                    "it has no mask: `segmentation` is missing or empty "
                    "(model.masks=false needs none)"
                )
            check_outline(outline, size)
        if not is_number(item.get("area")):
            item["area"] = _area_of(outline, box, size)
            repairs.add("`area` is missing or no number: counted anew", where)

    def _source(self, image: Row) -> str:
        file = Path(self.section.images) / image["file_name"]
        return f"image {file} (image id {image['id']})"


def _area_of(outline: Any, box: Box, size: tuple[int, int]) -> float:
    """Of an annotation in square pixels: of its outline, or else of its box."""
    try:
        inside = pixels_inside(check_outline(outline, size), size) if outline else None
    except InputError:  # boxes are wanted alone
        inside = None
    return box[2] * box[3] if inside is None else float(inside.sum())
