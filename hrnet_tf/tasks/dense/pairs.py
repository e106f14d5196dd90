"""Images, each with a file of what is to be learnt of its pixels."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.parts import check_no_parts, find_part, warn_of_unused
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.folders import IMAGES, walk
from hrnet_tf.tasks.dense.config import DenseSection

P = TypeVar("P", bound="PairedImages")


class Layout(NamedTuple):
    """Where images and targets lie; `{}` stands for a part of the data set."""

    images: str
    targets: str
    parts: tuple[str, ...] = ("train", "val")
    image_end: str = ""  # of an image's name, before its suffix
    target_ends: tuple[str, ...] = (".png", ".tif", ".tiff")
    alone: bool = False  # whether the first part may be all there is


@dataclass(frozen=True, eq=False)
class PairedImages:
    """Images and their targets, in files.

    Attributes:
        images: `(n,)`, paths.
        targets: `(n,)`, paths.
        names: `(n,)`, of the samples: paths in the folder of images, without suffix.
        left_out: a line for each file that is empty or has no partner.
    """

    images: np.ndarray
    targets: np.ndarray
    names: np.ndarray
    left_out: tuple[str, ...] = field(default=(), kw_only=True)

    def __len__(self) -> int:
        return len(self.names)

    def take(self: P, rows: np.ndarray) -> P:
        """Some of them, by index or by a mask of bool."""
        return replace(
            self,
            images=self.images[rows],
            targets=self.targets[rows],
            names=self.names[rows],
        )


# Image and target of each sample by its name.
Pairs = dict[str, tuple[str, str]]


class Part(NamedTuple):
    """What was found for one part of a data set.

    Attributes:
        pairs: the samples.
        left_out: a line for each file that is empty or has no partner.
    """

    pairs: Pairs
    left_out: tuple[str, ...] = ()


def check_root(section: DenseSection, what: str) -> None:
    """Raise an InputError unless there is a folder `section.root`.

    Args:
        section: the configuration's `data`.
        what: it must hold, in words.
    """
    if not Path(section.root).is_dir():
        raise InputError(
            f"There is no folder {section.root}; `data.root` must be one that holds "
            f"{what}."
        )


def open_pairs(
    section: DenseSection,
    find: Callable[[Problems], list[Part]],
    make: Callable[[np.ndarray, np.ndarray, np.ndarray], P],
    what: str,
    seed: int,
) -> tuple[P, P]:
    """The pairs of both parts of a data set; nothing is decoded yet.

    Args:
        section: the configuration's `data`.
        find: gives the pairs of each part, two or one, and notes what is broken.
        make: makes a part of its images, targets and names.
        what: a target is, in a word.
        seed: of the choice whom to hold out where there is one part; not negative.

    Returns:
        Training and validation images.

    Raises:
        InputError: if a part is empty, or samples are broken and the policy is to stop.
    """
    problems = Problems(section.root, section.on_error)
    parts = [_in_columns(part, make) for part in find(problems)]
    if not all(map(len, parts)):
        first = f", such as: {problems.found[0]}" if problems.found else ""
        raise InputError(
            f"{section.root} holds no image that has a {what} in one of its parts; "
            f"{len(problems.found)} files are broken or alone{first}."
        )
    problems.settle(sum(map(len, parts)))
    if len(parts) == 1:
        return _held_out(parts[0], section, seed)
    return parts[0], parts[1]


def find_pairs(
    root: Path, layouts: Sequence[Layout], what: str, problems: Problems
) -> list[Part] | None:
    """Files of the same name in two folders, for each part of the data set.

    Args:
        root: of the data set.
        layouts: the first whose folders of images are there is taken.
        what: a target is, in a word.
        problems: notes what is broken.

    Returns:
        The pairs of each part; None if no layout fits.
    """
    for layout in layouts:
        parts = [part for part in layout.parts if _folder(root, layout, part).is_dir()]
        alone = layout.alone and parts == [layout.parts[0]]
        if alone or len(parts) == len(layout.parts):
            if "" in parts:
                check_no_parts(root / layout.images)
            warn_of_unused(root, layout.images, parts)
            return [
                collect(partial(_pair, root, layout, part, what), problems)
                for part in parts
            ]
    return None


def collect(find: Callable[[Problems], Pairs], problems: Problems) -> Part:
    """The pairs of one part, with the problems that finding them has added."""
    before = len(problems.found)
    pairs = find(problems)
    return Part(pairs, tuple(problems.found[before:]))


def expected_folders(layouts: Sequence[Layout]) -> str:
    """The folders of images of layouts, in words."""
    return " or ".join(
        " and ".join(layout.images.format(part) for part in layout.parts)
        for layout in layouts
    )


def is_good(image: str, target: str, problems: Problems) -> bool:
    """Whether both files are there and hold something; notes what does not."""
    kept = len(problems.found)
    for path in (image, target):
        if not os.path.isfile(path):
            problems.add(f"{path}: does not exist")
        elif not os.path.getsize(path):
            problems.add(f"{path}: is empty")
    return len(problems.found) == kept


def _folder(root: Path, layout: Layout, part: str) -> Path:
    return find_part(root, layout.images, part)


def _pair(
    root: Path, layout: Layout, part: str, what: str, problems: Problems
) -> Pairs:
    image_ends = tuple(layout.image_end + suffix for suffix in IMAGES)
    images = _list_files(_folder(root, layout, part), image_ends, problems)
    folder = find_part(root, layout.targets, part)
    targets = _list_files(folder, layout.target_ends, problems)
    ends = " or ".join(layout.target_ends)
    for name in sorted(images.keys() - targets.keys()):
        problems.add(f"{images[name]}: has no {what} {folder / name}{ends}")
    for name in sorted(targets.keys() - images.keys()):
        problems.add(f"{targets[name]}: there is no image that it belongs to")
    pairs = {}
    for name in sorted(images.keys() & targets.keys()):
        if is_good(images[name], targets[name], problems):
            pairs[name] = (images[name], targets[name])
    return pairs


def _list_files(
    folder: Path, ends: tuple[str, ...], problems: Problems
) -> dict[str, str]:
    """Files in a folder and those below that end like this, by their names."""
    found: dict[str, str] = {}
    for path in sorted(walk(folder)):
        end = next((end for end in ends if path.lower().endswith(end.lower())), None)
        if end is None:
            continue
        name = Path(os.path.relpath(path, folder)).as_posix()[: -len(end)]
        if name in found:
            problems.add(f"{path}: has the same name as {found[name]}")
        else:
            found[name] = path
    return found


def _in_columns(
    part: Part, make: Callable[[np.ndarray, np.ndarray, np.ndarray], P]
) -> P:
    pairs = part.pairs
    images, targets = zip(*pairs.values(), strict=True) if pairs else ((), ())
    columns = (images, targets, list(pairs))
    made = make(*(np.array(column, object) for column in columns))
    return replace(made, left_out=part.left_out)


def _held_out(images: P, section: DenseSection, seed: int) -> tuple[P, P]:
    if len(images) < 2:
        raise InputError(
            f"{section.root} holds one image, {images.images[0]}; with no val/ there "
            "must be two, one to train on and one to hold out."
        )
    count = min(max(1, round(section.validation_share * len(images))), len(images) - 1)
    held = np.zeros(len(images), bool)
    held[np.random.default_rng(seed).permutation(len(images))[:count]] = True
    return images.take(~held), replace(images.take(held), left_out=())
