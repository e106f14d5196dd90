"""COCO keypoint annotations and detections to samples of top-down pose."""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import Policy, Problems
from hrnet_tf.images.boxes import check_place, clip_box
from hrnet_tf.tasks.keypoints.coco_checks import (
    check_file,
    check_keypoints,
    file_sizes,
    path_in,
)
from hrnet_tf.tasks.keypoints.coco_doubts import box_doubts, doubts
from hrnet_tf.tasks.keypoints.coco_files import find_category, index, read_annotations
from hrnet_tf.tasks.keypoints.coco_repairs import Repairs, mend, mend_areas
from hrnet_tf.tasks.keypoints.coco_scores import average_precision
from hrnet_tf.tasks.keypoints.config import CocoSection
from hrnet_tf.tasks.keypoints.crowd_scores import (
    BOX_SHARE,
    check_crowd_indices,
    crowd_average_precision,
)
from hrnet_tf.tasks.keypoints.detections import (
    Detections,
    ImageIndex,
    check_detection,
    has_id,
)
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People

logger = logging.getLogger(__name__)

Row = dict[str, Any]
MakeRow = Callable[[Row, Row], Row | None]


class CocoKeypoints:
    """One part of a data set in COCO's keypoint format.

    What is certain is repaired (`num_keypoints` that the keypoints do not have, an
    `area` that is none), with one line of count for each kind; what only looks wrong is
    named.

    Args:
        section: the annotation file, the folder of its images and, maybe, a file of
            boxes.
        keypoints: the set that the annotations must hold.
        on_error: `"stop"` or `"skip"`: what to do about broken samples.
        crowds: whether these are CrowdPose's: images have a `crowdIndex`, areas are a
            share of the boxes', and `num_keypoints` counts visible ones; people without
            any do not count.

    Attributes:
        ground_truth: the annotations without the broken ones, for pycocotools.
        category: id of the category that carries the keypoints.
        notes: what was repaired, and what looks wrong, a line each.
        broken: what was skipped so far, a line each.
        unread: ids of the images whose files are missing or empty, as far as people are
            looked for in them; nobody in them can be judged.

    Raises:
        InputError: if the annotations cannot be read or do not hold these keypoints.

    Example:
        ```python
        part = CocoKeypoints(config.data.validation, KeypointSet.read("coco"))
        people = part.people()
        ```
    """

    def __init__(
        self,
        section: CocoSection,
        keypoints: KeypointSet,
        on_error: Policy = "stop",
        crowds: bool = False,
    ):
        self.section = section
        self.keypoints = keypoints
        self.on_error = on_error
        self.crowds = crowds
        repairs = Repairs()
        self.ground_truth = read_annotations(section.annotations, repairs)
        self.category = find_category(self.ground_truth, keypoints, section.annotations)
        self.broken: list[str] = []
        self.unread: set[int] = set()
        whole = [
            item
            for item in self.ground_truth.anns.values()
            if self._is_whole(item, repairs)
        ]
        own = [item for item in whole if item["category_id"] == self.category]
        mend_areas(own, repairs, BOX_SHARE if crowds else None)
        if crowds:
            check_crowd_indices(self.ground_truth, section.annotations)
        if self.broken:
            self.ground_truth = index(
                self.ground_truth.dataset | {"annotations": whole}
            )
        self.notes = [*repairs.lines(), *doubts(own, self.ground_truth.imgs)]
        images = self.ground_truth.imgs.values()
        if not crowds and any("crowdIndex" in image for image in images):
            self.notes.append(
                "images have a `crowdIndex`, which COCO's metric does not look at; "
                "data.format=crowdpose judges as CrowdPose does"
            )
        for line in self.notes:
            logger.warning("%s: %s", section.annotations, line)

    def precision(
        self, results: list[Row], left_out: Collection[int] = ()
    ) -> dict[str, float]:
        """Average precision: COCO's, or CrowdPose's for its images.

        Args:
            results: entries of a COCO result file.
            left_out: ids of images in which nobody is judged.
        """
        judge = crowd_average_precision if self.crowds else average_precision
        sigmas = self.keypoints.sigmas
        return judge(self.ground_truth, results, self.category, sigmas, left_out)

    def people(self) -> People:
        """Everyone to look at: in the detector's boxes if given, else as annotated."""
        return self.detected() if self.section.boxes else self.annotated()

    def annotated(self) -> People:
        """Everyone with at least one annotated keypoint.

        Raises:
            InputError: if samples are broken and `on_error` is `"stop"`, or none is
                left.
        """
        problems = self._annotation_problems()
        found = (
            (item, self._name("annotation", item), self._image(item))
            for item in self._own()
            if not item["iscrowd"]
        )
        rows = self._rows(found, self._annotated_row, problems)
        return self._columns(rows, problems)

    def detected(self) -> People:
        """Everyone that the detector found with a high enough score.

        Raises:
            InputError: as `annotated` does, or if the boxes cannot be read.
        """
        self._annotation_problems().settle(len(self.ground_truth.anns))
        detections = Detections(
            str(self.section.boxes), self.category, self.section.box_threshold
        )
        problems = Problems(detections.path, self.on_error)
        rows = list(
            self._rows(
                self._images_of(detections, problems), self._detected_row, problems
            )
        )
        if self.on_error == "skip":
            self._look_for_unread()
        notes = [*filter(None, [detections.left_out()]), *self._box_doubts(detections)]
        for line in notes:
            logger.warning("%s: %s", detections.path, line)
        self.notes += notes
        return self._columns(iter(rows), problems)

    def _own(self) -> Iterator[Row]:
        for item in self.ground_truth.anns.values():
            if item["category_id"] == self.category:
                yield item

    def _annotation_problems(self) -> Problems:
        problems = Problems(self.section.annotations, self.on_error)
        for problem in self.broken:
            problems.add(problem)
        return problems

    def _is_whole(self, item: Row, repairs: Repairs) -> bool:
        """Check an annotation, and fill in what pycocotools needs of it."""
        if item["category_id"] != self.category:
            return True
        name, image = self._name("annotation", item), self._image(item)
        try:
            mend(item, len(self.keypoints), image, repairs, not self.crowds)
        except InputError as error:
            self.broken.append(f"{name}: {error}")
            return False
        return True

    def _images_of(
        self, detections: Detections, problems: Problems
    ) -> Iterator[tuple[Row, str, Row | None]]:
        """Each entry with what to call it and its image."""
        images = self.ground_truth.imgs
        folder = os.path.abspath(self.section.images)
        paths = {i: os.path.join(folder, im["file_name"]) for i, im in images.items()}
        places = ImageIndex(paths, {image_id: image_id for image_id in images}, folder)
        for row in detections.rows:
            try:
                found = places.find(row)
            except InputError as error:
                problems.add(f"box {row['id']}: {error}")
                continue
            if found is None and row.get("file_name") is not None:
                problems.add(f"box {row['id']}: there is no image {row['file_name']!r}")
                continue
            image = None if found is None else images[found]
            name = self._name("box", {**row, "image_id": found})
            yield row, name, image

    def _rows(
        self,
        found: Iterable[tuple[Row, str, Row | None]],
        make_row: MakeRow,
        problems: Problems,
    ) -> Iterator[Row]:
        sizes = file_sizes(Path(self.section.images))
        for item, name, image in found:
            if image is None:
                problems.add(
                    f"{name}: there is no image with id {item.get('image_id')!r}"
                )
                continue
            try:
                row = make_row(item, image)
                if row is None:
                    continue
                file = path_in(self.section.images, image["file_name"])
            except InputError as error:
                problems.add(f"{name}: {error}")
                continue
            try:
                check_file(file, sizes)
            except InputError as error:
                problems.add(f"{name}: {error}")
                self.unread.add(image["id"])
                continue
            yield {
                "files": file,
                "image_ids": image["id"],
                "sources": name,
                "image_sizes": (image["height"], image["width"]),
                **row,
            }

    def _look_for_unread(self) -> None:
        """Find images with annotated people, but no boxes, that are not there."""
        sizes = file_sizes(Path(self.section.images))
        images = {item["image_id"]: self._image(item) for item in self._own()}
        for image_id, image in images.items():
            if image is None:
                continue
            try:
                check_file(path_in(self.section.images, image["file_name"]), sizes)
            except InputError:
                self.unread.add(image_id)

    def _box_doubts(self, detections: Detections) -> Iterator[str]:
        images = self.ground_truth.imgs
        rows = filter(has_id, detections.rows)
        known = [row for row in rows if row["image_id"] in images]
        yield from box_doubts([(r.get("bbox"), images[r["image_id"]]) for r in known])

    def _image(self, item: Row) -> Row | None:
        return self.ground_truth.imgs.get(item.get("image_id"))

    def _name(self, kind: str, item: Row) -> str:
        """What to call an annotation or a box in messages."""
        image = self._image(item)
        if image is None:
            return f"{kind} {item['id']}"
        file = Path(self.section.images) / image["file_name"]
        return f"{kind} {item['id']} of {file} (image id {image['id']})"

    def _annotated_row(self, item: Row, image: Row) -> Row | None:
        keypoints = check_keypoints(item["keypoints"], len(self.keypoints))
        keypoints[:, 2] = keypoints[:, 2] > 0
        if not keypoints[:, 2].any():  # a person, but nothing to learn from
            return None
        keypoints[:, :2] *= keypoints[:, 2:]
        box = clip_box(item["bbox"], image["width"], image["height"])
        return {"boxes": box, "scores": 1.0, "keypoints": keypoints}

    def _detected_row(self, item: Row, image: Row) -> Row:
        # The box must touch the image, but is used as it is, as the official code does.
        box, score = check_detection(item)
        check_place(box, image["width"], image["height"])
        keypoints = np.zeros((len(self.keypoints), 3))
        return {"boxes": box, "scores": score, "keypoints": keypoints}

    def _columns(self, found: Iterator[Row], problems: Problems) -> People:
        rows = list(found)
        problems.settle(len(rows))
        self.broken = list(dict.fromkeys([*self.broken, *problems.found]))
        return People.from_rows(rows)
