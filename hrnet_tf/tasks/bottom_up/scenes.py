"""COCO keypoint annotations to whole images with everyone in them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import Policy, Problems
from hrnet_tf.images.boxes import check_box
from hrnet_tf.tasks.bottom_up.config import ScenesSection
from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from hrnet_tf.tasks.keypoints.coco_checks import (
    check_file,
    check_keypoints,
    file_sizes,
    path_in,
)
from hrnet_tf.tasks.keypoints.config import CocoSection
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.outlines import check_outline
from hrnet_tf.tasks.keypoints.people import People

logger = logging.getLogger(__name__)

Row = dict[str, Any]


@dataclass(frozen=True)
class Scenes:
    """Whole images, one row each, with everyone who is annotated in them.

    Attributes:
        images: what a `CropReader` takes, with the whole image as each box.
        keypoints: of each image float64 `(people, keypoints, 3)`: x, y in pixels of the
            image and visibility; people without any keypoint are not among them.
        sizes: of each image float64 `(people,)`, the longer side of each one's box.
        hidden: of each image the outlines (polygons, or run lengths) of crowds and of
            people without keypoints.
    """

    images: People
    keypoints: list[np.ndarray]
    sizes: list[np.ndarray]
    hidden: list[list[Any]]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def most(self) -> int:
        """People in one image, at most; at least 1."""
        return max([1, *map(len, self.keypoints)])


class CocoScenes:
    """One part of a data set in COCO's keypoint format, looked at in whole images.

    Args:
        section: the annotation file and the folder of its images.
        keypoints: the set that the annotations must hold.
        on_error: `"stop"` or `"skip"`: what to do about broken samples.
        crowds: whether these are CrowdPose's; see `CocoKeypoints`.

    Attributes:
        part: the annotations, checked and repaired.
        unread: ids of the images whose files are missing or empty; nobody in them can
            be judged.
        broken: what was skipped so far, a line each.
        notes: what was repaired, and what looks wrong, a line each.

    Raises:
        InputError: if the annotations cannot be read or do not hold these keypoints.
    """

    def __init__(
        self,
        section: ScenesSection,
        keypoints: KeypointSet,
        on_error: Policy = "stop",
        crowds: bool = False,
    ):
        self.section = section
        self.keypoints = keypoints
        self.on_error = on_error
        files = CocoSection(section.annotations, section.images)
        self.part = CocoKeypoints(files, keypoints, on_error, crowds)
        self.unread: set[int] = set()
        self.broken: list[str] = list(self.part.broken)
        self.notes: list[str] = list(self.part.notes)

    def scenes(self, annotated: bool = False, masked: bool = True) -> Scenes:
        """All images.

        Args:
            annotated: leave those out in which nobody is annotated, as the official
                training does.
            masked: whether `hidden` is left out of anything: what is guessed of it
                is told then.

        Raises:
            InputError: if samples are broken and `on_error` is `"stop"`, or none is
                left.
        """
        problems = Problems(self.section.annotations, self.on_error)
        for problem in self.part.broken:
            problems.add(problem)
        own: dict[int, list[Row]] = {
            number: [] for number in self.part.ground_truth.imgs
        }
        for item in self.part.ground_truth.anns.values():
            if item["category_id"] != self.part.category:
                continue
            if item.get("image_id") in own:
                own[item["image_id"]].append(item)
            else:
                problems.add(
                    f"annotation {item['id']}: there is no image with id "
                    f"{item.get('image_id')!r}"
                )
        sizes = file_sizes(Path(self.section.images))
        rows = []
        boxed = 0
        for number, items in own.items():
            if annotated and not items:
                continue
            image = self.part.ground_truth.imgs[number]
            source = f"image {image['file_name']} (image id {number})"
            try:
                file = path_in(self.section.images, image["file_name"])
                check_file(file, sizes)
            except InputError as error:
                problems.add(f"{source}: {error}")
                self.unread.add(number)
                continue
            row = _Row(file, number, source, (image["height"], image["width"]))
            boxed += self._fill(row, items, problems)
            rows.append(row)
        problems.settle(len(rows))
        self.broken = list(dict.fromkeys([*self.broken, *problems.found]))
        if boxed and masked:
            line = (
                f"{boxed} crowds or people without keypoints have no outline: their "
                "boxes are taken for it"
            )
            logger.warning("%s: %s", self.section.annotations, line)
            self.notes.append(line)
        return _columns(rows, len(self.keypoints))

    def _fill(self, row: "_Row", items: Sequence[Row], problems: Problems) -> int:
        """Add an image's people; gives how many have a box in place of an outline."""
        boxed = 0
        for item in items:
            keypoints = check_keypoints(item["keypoints"], len(self.keypoints))
            if not item["iscrowd"] and (keypoints[:, 2] > 0).any():
                _, _, width, height = check_box(item["bbox"])
                row.keypoints.append(keypoints)
                row.sizes.append(max(width, height))
                continue
            outline = item.get("segmentation")
            if not outline:
                x, y, width, height = check_box(item["bbox"])
                right, low = x + width, y + height
                outline = [[x, y, right, y, right, low, x, low]]
                boxed += 1
            try:
                row.hidden.append(check_outline(outline, row.size))
            except InputError as error:
                problems.add(f"annotation {item['id']} of {row.source}: {error}")
        return boxed


@dataclass
class _Row:
    file: str
    number: int
    source: str
    size: tuple[int, int]
    keypoints: list[np.ndarray] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)


def _columns(rows: Sequence[_Row], count: int) -> Scenes:
    images = People.whole_images(
        [row.file for row in rows],
        [row.number for row in rows],
        [row.source for row in rows],
        [row.size for row in rows],
    )
    return Scenes(
        images,
        [np.array(row.keypoints).reshape(-1, count, 3) for row in rows],
        [np.array(row.sizes, np.float64) for row in rows],
        [row.hidden for row in rows],
    )
