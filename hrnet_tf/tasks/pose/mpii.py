"""MPII's annotations to samples of top-down pose."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.data.problems import Policy, Problems
from hrnet_tf.images.boxes import check_place, shortened
from hrnet_tf.images.header import size_of
from hrnet_tf.tasks.keypoints.coco_checks import check_file, file_sizes, path_in
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.config import PartSection
from hrnet_tf.tasks.pose.head_scores import GROUPS, NOT_JUDGED
from hrnet_tf.tasks.pose.mpii_files import (
    KEYPOINTS,
    PIXELS,
    Entry,
    Heads,
    check_person,
    read_entries,
    read_heads,
)

logger = logging.getLogger(__name__)

LOWER = 15.0  # a person's centre moves down by so many pixels, times the scale

Row = dict[str, Any]


class MpiiPeople:
    """One part of MPII.

    A person is cut out around the annotated `center` (a little below it), 200 times the
    annotated `scale` wide and high, as the official code does.

    Args:
        section: annotations (see `read_entries`), the folder of images, and for the
            part that is judged `heads`.
        keypoints: the set; it must have MPII's names.
        on_error: `"stop"` or `"skip"`: what to do about broken samples.
        reading: how image files are taken.

    Attributes:
        notes: what else is known, a line each.
        broken: what was skipped so far, a line each.
        unread: ids of images whose files are missing or empty.
        row_of: which of `entries` a sample is, by its `sources`.

    Raises:
        InputError: if the annotations cannot be read or the set is another one.

    Source: Andriluka et al., 2D Human Pose Estimation: New Benchmark and State of the
    Art Analysis, CVPR 2014.
    """

    def __init__(
        self,
        section: PartSection,
        keypoints: KeypointSet,
        on_error: Policy = "stop",
        reading: Reading = UPRIGHT,
    ):
        names = {*NOT_JUDGED, *(name for group in GROUPS.values() for name in group)}
        if len(keypoints) != KEYPOINTS or names - set(keypoints.names):
            raise InputError(
                f"With data.format=mpii `data.keypoints` must be mpii, or have its "
                f"{KEYPOINTS} names in its order, got {keypoints.name}."
            )
        if section.boxes is not None:
            raise InputError(
                "People of MPII are looked at where they are annotated: leave `boxes` "
                f"({section.boxes}) out."
            )
        self.section = section
        self.on_error = on_error
        self.reading = reading
        self.entries = read_entries(section.annotations)
        self.notes: list[str] = []
        self.broken: list[str] = []
        self.unread: set[int] = set()
        self.row_of: dict[str, int] = {}
        if Path(section.annotations).suffix == ".mat":
            self._note(
                f"{len(self.entries)} people with keypoints in the training images; "
                "the official JSON parts them into training and validation"
            )
            self._leave_out_the_placeless()

    def _note(self, line: str) -> None:
        logger.warning("%s: %s", self.section.annotations, line)
        self.notes.append(line)

    def _leave_out_the_placeless(self) -> None:
        """Without a centre and a scale nobody can be cut out, and some have none."""
        cut = [each for each in self.entries if {"center", "scale"} <= {*each.given}]
        if placeless := len(self.entries) - len(cut):
            self._note(
                f"{placeless} of them have no centre (objpos) or no scale and are left "
                "out"
            )
        self.entries = cut

    def annotated(self) -> People:
        """Everyone with at least one annotated keypoint.

        Raises:
            InputError: if samples are broken and `on_error` is `"stop"`, or none is
                left.
        """
        problems = Problems(self.section.annotations, self.on_error)
        rows = list(self._rows(problems))
        problems.settle(len(rows))
        self.broken = list(dict.fromkeys([*self.broken, *problems.found]))
        return People.from_rows(rows)

    people = annotated  # there are no boxes of a detector

    def heads(self) -> Heads:
        """What predictions are judged by, a row for each of `entries`.

        Raises:
            InputError: if `section.heads` is missing where the annotations have no
                heads, or is of others.
        """
        keypoints = np.zeros((len(self.entries), KEYPOINTS, 3))
        for row, entry in enumerate(self.entries):
            try:
                keypoints[row] = check_person(entry.given)[2]
            except InputError:  # told where people are read
                continue
        if self.section.heads is not None:
            return read_heads(self.section.heads, keypoints)
        nowhere = np.full((2, 2), np.nan)
        known = np.array([entry.head is not None for entry in self.entries], bool)
        boxes = [nowhere if e.head is None else e.head for e in self.entries]
        if not known.any():
            raise InputError(
                f"{self.section.annotations} does not say how large heads are, by "
                "which MPII's metric measures; `data.validation.heads` must name the "
                "gt_valid.mat that comes with the official JSON."
            )
        if headless := int((~known).sum()):
            self._note(f"{headless} people have no box of the head and are not judged")
        annotated = (keypoints[..., 2] > 0) & known[:, None]
        return Heads(keypoints[..., :2], annotated, np.array(boxes))

    def _rows(self, problems: Problems) -> Iterator[Row]:
        there = file_sizes(Path(self.section.images))
        ids: dict[str, int] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for place, entry in enumerate(self.entries):
            try:
                file = self._file(entry)
                name = f"{entry.name} ({file})"
                self.row_of[name] = place
                number = ids.setdefault(file, len(ids))
                self._check_there(file, there, number)
                if file not in sizes:
                    sizes[file] = size_of(file, self.reading)
                row = person_row(entry, sizes[file])
            except (InputError, OSError) as error:
                problems.add(f"{entry.name} ({entry.image}): {error}")
                continue
            if row["keypoints"][:, 2].any():
                yield {"files": file, "image_ids": number, "sources": name, **row}

    def _file(self, entry: Entry) -> str:
        if not isinstance(entry.image, str) or not entry.image:
            raise InputError(
                f"`image` must name a file, got {shortened(repr(entry.image))}"
            )
        return path_in(self.section.images, entry.image)

    def _check_there(self, file: str, there: dict[str, int], number: int) -> None:
        try:
            check_file(file, there)
        except InputError:
            self.unread.add(number)
            raise


def person_row(entry: Entry, size: tuple[int, int]) -> Row:
    """A person as a row of `People`; pixels count from 0 from here on.

    Args:
        entry: as annotated.
        size: height and width of the image.

    Raises:
        InputError: if the annotation is broken, or lies outside the image.
    """
    center, scale, keypoints = check_person(entry.given)
    keypoints[:, :2] = (keypoints[:, :2] - 1) * keypoints[:, 2:]
    side = PIXELS * scale
    x, y = center - 1 + [0, LOWER * scale]
    box = (x - side / 2, y - side / 2, side, side)
    check_place(box, size[1], size[0])
    return {"image_sizes": size, "boxes": box, "scores": 1.0, "keypoints": keypoints}
