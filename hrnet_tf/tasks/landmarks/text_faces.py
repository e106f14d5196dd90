"""Faces in text files: WFLW's lists, tables, and folders of `.pts` files."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_rows, read_text
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.boxes import check_box, shortened
from hrnet_tf.images.folders import IMAGES, walk
from hrnet_tf.tasks.keypoints.coco_checks import path_in
from hrnet_tf.tasks.landmarks.config import FacesSection
from hrnet_tf.tasks.landmarks.faces import Face, with_weights

# WFLW's attributes in the order of its lists, as its subsets are called.
ATTRIBUTES = (
    "largepose",
    "expression",
    "illumination",
    "makeup",
    "occlusion",
    "blur",
)
CENTER = ("center_w", "center_h", "scale")  # of the official program's tables
BOX = ("box_x", "box_y", "box_width", "box_height")
MORE = ("box_size", "subset")

# Folders of the parts of 300W, as they are published.
PARTS_300W: dict[str, tuple[str, ...]] = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "common": ("helen/testset", "lfpw/testset"),
    "challenge": ("ibug",),
    "full": ("helen/testset", "lfpw/testset", "ibug"),
    "test": ("300w",),
}


def read_list(section: FacesSection, count: int, problems: Problems) -> Iterator[Face]:
    """Faces of a list as WFLW has it: a line each.

    A line holds `count` pairs of x and y, then maybe the corners of a box (left, top,
    right, bottom) and six attributes (0 or 1), then the image's path.

    Args:
        section: its `annotations` is the list.
        count: number of landmarks.
        problems: takes what is broken.
    """
    path = section.annotations
    for number, line in enumerate(read_text(path).split("\n"), 1):
        fields = line.split()
        if not fields:
            continue
        source = f"line {number} of {path}"
        try:
            yield _list_face(section, fields, count, source)
        except InputError as error:
            problems.add(f"{source}: {error}")


def _list_face(
    section: FacesSection, fields: Sequence[str], count: int, source: str
) -> Face:
    more = len(fields) - 2 * count - 1
    if more not in (0, 4 + len(ATTRIBUTES)):
        raise InputError(
            f"it has {len(fields)} fields; {2 * count} coordinates, maybe 4 corners of "
            f"a box and {len(ATTRIBUTES)} attributes, and the path of an image are "
            "expected"
        )
    numbers = [_number(field) for field in fields[:-1]]
    points = np.array(numbers[: 2 * count]).reshape(-1, 2)
    file = path_in(section.images, fields[-1])
    face = Face(file, f"{source} ({fields[-1]})", with_weights(points))
    if more:
        left, top, right, bottom = numbers[2 * count : 2 * count + 4]
        face.take_box(check_box([left, top, right - left, bottom - top]))
        marks = numbers[2 * count + 4 :]
        named = zip(ATTRIBUTES, marks, strict=True)
        face.subsets = tuple(name for name, mark in named if mark)
    return face


def read_table(section: FacesSection, count: int, problems: Problems) -> Iterator[Face]:
    """Faces of a table (CSV): a line each, under a line of names.

    The first column is the image's path. `center_w`, `center_h` and `scale` (a 200th of
    the box's side) say the box, as the official program's tables do, or `box_x`,
    `box_y`, `box_width` and `box_height`; `box_size` is the side that errors may be
    divided by, and `subset` a name. All other columns are x and y of one landmark after
    the other; empty ones are not annotated.

    Args:
        section: its `annotations` is the table.
        count: number of landmarks.
        problems: takes what is broken.
    """
    path = section.annotations
    rows = read_rows(path)
    if not rows:
        return
    first, *others = rows[0]
    known = {*CENTER, *BOX, *MORE}
    coordinates = [name for name in others if name not in known]
    if len(coordinates) != 2 * count:
        raise InputError(
            f"{path} has {len(coordinates)} columns of coordinates (beside {first} and "
            f"{', '.join(sorted(known & set(others))) or 'nothing else'}); "
            f"{2 * count} are expected, x and y of {count} landmarks."
        )
    for number, row in enumerate(rows, 2):
        source = f"line {number} of {path}"
        try:
            yield _table_face(section, row, (first, coordinates), source)
        except InputError as error:
            problems.add(f"{source}: {error}")


def _table_face(
    section: FacesSection,
    row: Mapping[str, str],
    names: tuple[str, list[str]],
    source: str,
) -> Face:
    first, coordinates = names
    texts = np.array([row[name].strip() for name in coordinates]).reshape(-1, 2)
    points = np.zeros((len(texts), 3))
    for index, (x, y) in enumerate(texts):
        if (x == "") != (y == ""):
            raise InputError(
                f"one of {coordinates[2 * index]} and {coordinates[2 * index + 1]} is "
                "empty; both must be, or none"
            )
        if x:
            points[index] = _number(x), _number(y), 1
    file = path_in(section.images, row[first].strip())
    subset = row.get("subset", "").strip()
    face = Face(
        file, f"{source} ({row[first]})", points, subsets=(subset,) if subset else ()
    )
    if all(name in row for name in CENTER):
        x, y, face.scale = (_number(row[name]) for name in CENTER)
        face.center = (x, y)
    elif all(name in row for name in BOX):
        face.take_box(check_box([_number(row[name]) for name in BOX]))
    if "box_size" in row:
        face.side = _number(row["box_size"])
    return face


def read_points(
    section: FacesSection, count: int, problems: Problems
) -> Iterator[Face]:
    """Faces of a folder of `.pts` files, each beside an image of the same name.

    Args:
        section: its `annotations` is the folder; `part` names one of 300W's.
        count: number of landmarks.
        problems: takes what is broken.
    """
    root = Path(section.annotations)
    files = list(_points_files(root, section.part))
    if not files:
        raise InputError(f"There are no .pts files in {root}.")
    images = Path(section.images or root)
    for file in files:
        try:
            points = read_pts(file, count)
            stem = str(images / file.relative_to(root).with_suffix(""))
            ends = (*IMAGES, *map(str.upper, IMAGES))
            found = [stem + end for end in ends if os.path.isfile(stem + end)]
            if not found:
                raise InputError(
                    f"there is no image {stem} with one of the endings "
                    f"{', '.join(IMAGES)}"
                )
            yield Face(found[0], str(file), with_weights(points))
        except InputError as error:
            problems.add(f"{file}: {error}")


def _points_files(root: Path, part: str) -> Iterator[Path]:
    if part and part not in PARTS_300W:
        raise InputError(
            f"`part` must be one of {', '.join(PARTS_300W)}, got {part!r}."
        )
    wanted = [PurePosixPath(folder).parts for folder in PARTS_300W.get(part, ())]
    for file in map(Path, walk(root)):
        parts = tuple(name.lower() for name in file.relative_to(root).parts)
        here = any(parts[: len(folders)] == folders for folders in wanted)
        if file.suffix.lower() == ".pts" and (here or not part):
            yield file


def read_pts(path: Path, count: int) -> np.ndarray:
    """The points of a `.pts` file, float64 `(count, 2)`, as they are written.

    Raises:
        InputError: if it holds others than so many pairs of numbers.
    """
    lines = [line.strip() for line in read_text(path).split("\n")]
    if "{" not in lines or "}" not in lines[lines.index("{") :]:
        raise InputError("it has no points in { }")
    begin = lines.index("{")
    rows = [line.split() for line in lines[begin + 1 : lines.index("}", begin)] if line]
    if len(rows) != count or any(len(row) != 2 for row in rows):
        raise InputError(
            f"{count} lines of x and y are expected, found {len(rows)} lines"
        )
    return np.array([[_number(text) for text in row] for row in rows])


def subset_of_300w(file: str) -> tuple[str, ...]:
    """The subset of 300W that a path in its folder tells; none: it does not."""
    parts = [name.lower() for name in PurePosixPath(file.replace("\\", "/")).parts]
    if "ibug" in parts:
        return ("challenge",)
    if "testset" in parts:
        return ("common",)
    for word in ("indoor", "outdoor"):
        if any(word in name for name in parts[-2:]):
            return (word,)
    return ()


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"a number is expected, got {shortened(text)!r}")
    return value
