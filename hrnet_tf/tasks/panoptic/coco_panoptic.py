"""Data sets in COCO's panoptic format: a JSON file, and a PNG file for each image.

A pixel of the PNG file has the id of its segment, red + 256 * green + 65536 * blue; the
JSON file says for each id which class it is of. Id 0 is void: nothing is known there.
"""

import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.common.text_files import read_json
from hrnet_tf.data.parts import find_part
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.boxes import shortened
from hrnet_tf.images.files import decode_values, read_values
from hrnet_tf.images.folders import walk
from hrnet_tf.images.header import Header
from hrnet_tf.images.png import RGB, check_chunks, kind_of
from hrnet_tf.tasks.dense.pairs import (
    PairedImages,
    Pairs,
    Part,
    check_root,
    collect,
    is_good,
    open_pairs,
)
from hrnet_tf.tasks.keypoints.coco_checks import is_id, path_in
from hrnet_tf.tasks.keypoints.coco_repairs import Repairs, as_crowd
from hrnet_tf.tasks.panoptic.classes import PanopticClasses
from hrnet_tf.tasks.panoptic.config import PanopticSection
from hrnet_tf.tasks.panoptic.segments import CROWD, DIVISOR, MOST, VOID

logger = logging.getLogger(__name__)

LARGEST_ID = 256**3 - 1
# In the names of images in the files that Cityscapes' own scripts write.
CITYSCAPES = ("_gtFine_leftImg8bit", "_leftImg8bit")


class SegmentTable(NamedTuple):
    """The segments of an image, as its annotation lists them.

    Attributes:
        ids: `(n,)`, rising, of segments in its PNG file.
        values: int32 `(n,)`, of each in the map; see `segments`.
    """

    ids: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class PanopticImages(PairedImages):
    """Images and the PNG files of their segments.

    Attributes:
        images: see `PairedImages`.
        targets: the PNG files.
        names: see `PairedImages`.
        classes: what labels mean.
        tables: the segments of each PNG file, by its path.
    """

    classes: PanopticClasses
    tables: Mapping[str, SegmentTable]


def open_panoptic(
    section: PanopticSection, seed: int = 0
) -> tuple[PanopticImages, PanopticImages]:
    """Open a data set in COCO's panoptic format; no image is decoded yet.

    Below `section.root` lie, with `{}` for `train` or `val`: the JSON file that
    `section.annotations` names, the folder `section.segments` of PNG files, and the
    folder `section.images`, or folders in it. Without a file for `val` a share is held
    out.

    Args:
        section: the configuration's `data`.
        seed: of the choice whom to hold out; not negative.

    Returns:
        Training and validation images.

    Raises:
        InputError: if there is no such folder, file or sample, the parts have different
            classes, or samples are broken and the policy is to stop.

    Example:
        ```python
        training, validation = open_panoptic(PanopticSection(root="scenes"))
        training.classes.things
        ```
    """
    check_root(section, "images, segments and annotations in COCO's panoptic format")
    tables: dict[str, SegmentTable] = {}
    found: list[PanopticClasses] = []

    def make(images, targets, names):
        return PanopticImages(images, targets, names, found[0], tables)

    find = partial(_parts, section, tables, found)
    return open_pairs(section, find, make, "PNG file of its segments", seed)


def _parts(
    section: PanopticSection,
    tables: dict[str, SegmentTable],
    classes: list[PanopticClasses],
    problems: Problems,
) -> list[Part]:
    root, parts = Path(section.root), []
    for name in ("train", "val"):
        path = find_part(root, section.annotations, name)
        if path.is_file():
            parts.append((name, path))
    if not parts or parts[0][0] != "train":
        path = root / section.annotations.format("train")
        raise InputError(
            f"There is no {path}; `data.annotations` must name a JSON file in COCO's "
            "panoptic format below `data.root`, with {} for train and val."
        )
    return [
        collect(partial(_pairs, section, name, path, tables, classes), problems)
        for name, path in parts
    ]


def _pairs(
    section: PanopticSection,
    name: str,
    path: Path,
    tables: dict[str, SegmentTable],
    classes: list[PanopticClasses],
    problems: Problems,
) -> Pairs:
    """The images of one part, with the tables of their segments."""
    data = read_json(path)
    own = PanopticClasses.of_categories(
        data.get("categories") if isinstance(data, dict) else None, str(path)
    )
    classes.append(own)
    if replace(own, palette=()) != replace(classes[0], palette=()):
        raise InputError(
            f"{path} has other categories than that of training; both must list the "
            "same `id`, `name` and `isthing` in the same order."
        )
    root = Path(section.root)
    folder = find_part(root, section.segments, name)
    images = _Images(find_part(root, section.images, name))
    files = {image["id"]: image["file_name"] for image in _rows(data, "images", path)}
    repairs, pairs = Repairs(), Pairs()
    for row in _rows(data, "annotations", path):
        where = f"{path}: annotation of image {row['image_id']!r}"
        try:
            if row["image_id"] not in files:
                raise InputError("there is no image with this id")
            file = files[row["image_id"]]
            target = path_in(str(folder), row["file_name"])
            table = _table(row, own, repairs)
            image = images.find(file)
        except InputError as error:
            problems.add(f"{where}: {error}")
            continue
        if is_good(image, target, problems):
            stem = str(Path(row["file_name"]).with_suffix(""))
            pairs[stem] = (image, target)
            tables[target] = table
    lacking = files.keys() - {row["image_id"] for row in data["annotations"]}
    if lacking:
        such = sorted(map(str, lacking))[0]
        logger.warning(
            "%s: %d images have no annotation, such as %s: left out",
            *(path, len(lacking), such),
        )
    for line in repairs.lines():
        logger.warning("%s: %s", path, line)
    return pairs


class _Images:
    """Files of images by the names that annotations have for them."""

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise InputError(
                f"There is no folder of images {folder}; `data.images` must name one "
                "below `data.root`, with {} for the part."
            )
        self.folder = folder
        self._below: dict[str, str] = {}  # by the last part of its path

    def find(self, name: str) -> str:
        """The path of an image; where there is no such file, the one to expect.

        Images may lie in folders of the folder, as those of Cityscapes do.
        """
        path = path_in(str(self.folder), name)
        if Path(path).is_file():
            return path
        if not self._below:
            self._below = {Path(each).name: each for each in sorted(walk(self.folder))}
        last = Path(name).name
        return self._below.get(last) or self._below.get(last.replace(*CITYSCAPES), path)


def _rows(data: Any, key: str, path: Path) -> list[dict[str, Any]]:
    """A list of a JSON file, each entry with what is needed of it."""
    rows = data.get(key)
    number = "id" if key == "images" else "image_id"
    needed = (number, "file_name", *(["segments_info"] if number != "id" else []))
    if not isinstance(rows, list):
        raise InputError(
            f"{path} is not in COCO's panoptic format: it has no list `{key}`."
        )
    for row in rows:
        for name in needed:
            if not isinstance(row, dict) or name not in row:
                hint = ""
                if name == "segments_info":
                    hint = " (COCO's files of instances are another format)"
                raise InputError(
                    f"{path}: an entry of `{key}` has no `{name}`{hint}: "
                    f"{shortened(str(row))}."
                )
        if not isinstance(row["file_name"], str) or not row["file_name"]:
            raise InputError(
                f"{path}: `file_name` in `{key}` must be text, got "
                f"{row['file_name']!r}."
            )
        if not is_id(row[number]) and not isinstance(row[number], str):
            raise InputError(
                f"{path}: `{number}` in `{key}` must be a whole number or text, got "
                f"{row[number]!r}."
            )
    numbers = [row[number] for row in rows]
    if len(set(numbers)) < len(numbers):
        twice = next(each for each in numbers if numbers.count(each) > 1)
        raise InputError(f"{path}: `{key}` has {number} {twice!r} more than once.")
    return rows


def _table(
    row: dict[str, Any], classes: PanopticClasses, repairs: Repairs
) -> SegmentTable:
    """The segments of an annotation, things numbered class by class."""
    segments = row["segments_info"]
    if not isinstance(segments, list):
        raise InputError("`segments_info` must be a list")
    values: dict[int, int] = {}
    last: dict[int, int] = {}
    for each in segments:
        number = _checked_id(each, values)
        where = f"segment {number} of image {row['image_id']!r}"
        label = classes.label_of.get(each.get("category_id"))
        if label is None:
            raise InputError(
                f"segment {number} has the category {each.get('category_id')!r}, which "
                "is not listed in `categories`"
            )
        if as_crowd(each.get("iscrowd", 0), where, repairs):
            values[number] = label * DIVISOR + CROWD
            continue
        last[label] = last.get(label, 0) + 1
        values[number] = label * DIVISOR
        if classes.are_things[label]:
            values[number] += last[label]
        elif last[label] == 2:
            repairs.add("stuff of a class has several segments: taken as one", where)
        if last[label] > MOST and classes.are_things[label]:
            raise InputError(
                f"there are more than {MOST} things of the class {classes.names[label]}"
            )
    ids = sorted(values)
    return SegmentTable(
        np.array(ids, np.int64), np.array([values[i] for i in ids], np.int32)
    )


def _checked_id(segment: Any, known: Container[int]) -> int:
    """The id of a segment that is none of the known ones."""
    number = segment.get("id") if isinstance(segment, dict) else None
    if not isinstance(number, int) or not is_id(number):
        raise InputError(
            f"a segment must have a whole number as `id`: {shortened(str(segment))}"
        )
    if not 0 < number <= LARGEST_ID:
        raise InputError(
            f"a segment's `id` must lie between 1 and {LARGEST_ID}, since a pixel of a "
            f"PNG file has 24 bits and 0 is void, got {number}"
        )
    if number in known:
        raise InputError(f"`segments_info` has segment {number} twice")
    return number


def read_segments(
    path: str | Path, table: SegmentTable, reading: Reading = UPRIGHT
) -> np.ndarray:
    """Read a PNG file of segments.

    Args:
        path: 8 bits of red, green and blue a pixel.
        table: which segments there are.
        reading: how it is taken: turned by its EXIF tag, as viewers do, or not.

    Returns:
        int32 `(height, width)`, see `hrnet_tf.tasks.panoptic.segments`.

    Raises:
        InputError: if the file is broken, or holds a segment that is not listed.
    """
    ids = read_values(path, "the PNG file of segments", ("PNG",), reading, _ids)
    known = np.append(table.ids, LARGEST_ID + 1)  # beyond all: not listed
    places = np.searchsorted(known, ids)
    listed = known[places] == ids
    wrong = ~listed & (ids != 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"the PNG file {path} holds segment {ids[row, column]} in row {row}, "
            f"column {column}, which its annotation does not list in `segments_info` "
            "(0 is void; an id is red + 256 * green + 65536 * blue)"
        )
    values = np.append(table.values, np.int32(VOID))
    return np.where(listed, values[places], VOID).astype(np.int32)


def _ids(encoded: bytes, header: Header) -> np.ndarray:
    check_chunks(encoded)
    bits, color = kind_of(encoded)
    if bits != 8 or color != RGB:
        raise InputError(
            "must have 8 bits of red, green and blue a pixel, the id of its segment, "
            f"without palette or opacity; it has {bits} bits and colour type {color}"
        )
    pixels = decode_values(encoded, header, cv2.IMREAD_COLOR_RGB).astype(np.int64)
    return pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2]


def encode_ids(ids: np.ndarray) -> bytes:
    """Ids of segments `(height, width)`, 0: void, as a PNG file in COCO's format."""
    pixels = np.stack([ids >> shift & 255 for shift in (16, 8, 0)], axis=-1)
    return cv2.imencode(".png", pixels.astype(np.uint8))[1].tobytes()
