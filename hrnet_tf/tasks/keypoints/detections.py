"""A detector's boxes, COCO results: one reader for evaluation and prediction."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_json
from hrnet_tf.images.boxes import Box, check_box, is_number, shortened
from hrnet_tf.tasks.keypoints.coco_checks import is_id

Row = dict[str, Any]


class Detections:
    """A detector's boxes: those of one category with a high enough score.

    Args:
        path: COCO results, JSON: a list of entries with `bbox` (x, y, width, height in
            image pixels), `image_id` or `file_name` (a path, or as much of its end as
            tells images apart), and maybe `score` (else 1) and `category_id` (else the
            one looked for).
        category: id of the category to look at.
        threshold: boxes with a lower score are left out.

    Attributes:
        rows: the entries to look at; `id` is an entry's place in the file, from 0.

    Raises:
        InputError: if the file cannot be read or is no list of entries.
    """

    def __init__(self, path: str | os.PathLike, category: int, threshold: float):
        self.path = str(path)
        self.category = category
        self.threshold = threshold
        self.rows: list[Row] = []
        self._others: Counter[str] = Counter()
        self._doubtful = 0
        for number, entry in enumerate(read_boxes(self.path)):
            score, found = entry.get("score", 1.0), entry.get("category_id", category)
            if found != category and is_id(found):
                self._others[str(found)] += 1
            elif is_number(score) and score < threshold:
                self._doubtful += 1
            else:
                self.rows.append({**entry, "id": number})

    def left_out(self) -> str:
        """What is not looked at, in words; empty: everything is."""
        parts = []
        if self._others:
            parts.append(
                f"{self._others.total()} boxes of other categories than "
                f"{self.category} ({', '.join(sorted(self._others))}) are left out"
            )
        if self._doubtful:
            parts.append(
                f"{self._doubtful} boxes with a score below {self.threshold:g} are "
                "left out"
            )
        return ", ".join(parts)


def check_detection(row: Row) -> tuple[Box, float]:
    """Box and score of an entry.

    Raises:
        InputError: if one of its values is none.
    """
    category, score = row.get("category_id"), row.get("score", 1.0)
    if "category_id" in row and not is_id(category):
        raise InputError(f"`category_id` must be an integer, got {_shown(category)}")
    if not is_number(score):
        raise InputError(f"`score` must be a number, got {_shown(score)}")
    return check_box(row.get("bbox")), float(score)


class ImageIndex:
    """Which image an entry means, by its id or by the end of its path.

    Args:
        paths: of the images, by what they are to be called here.
        ids: what an image with this id is called here.
        root: folder whose names need no more of their path.
    """

    def __init__(self, paths: Mapping[Any, str], ids: Mapping[int, Any], root: str):
        self.paths = paths
        self.ids = ids
        self._root = path_parts(root)
        self._with_id = set(ids.values())
        self._by_name: dict[str, list[tuple[tuple[str, ...], Any]]] = defaultdict(list)
        for key, path in paths.items():
            parts = path_parts(path)
            self._by_name[parts[-1]].append((parts, key))

    def find(self, row: Row) -> Any | None:
        """What the image of an entry is called here; None: there is no such image.

        Raises:
            InputError: if the entry names several images, or its id another one than
                its file name, or has neither.
        """
        image_id, name = row.get("image_id"), row.get("file_name")
        if image_id is None and name is None:
            raise InputError("it needs `image_id` or `file_name`")
        by_id = self.ids.get(row["image_id"]) if has_id(row) else None
        if name is None:
            return by_id
        if not isinstance(name, str) or not path_parts(name):
            raise InputError(f"`file_name` must be a path, got {_shown(name)}")
        named = self.named(name)
        if image_id is None or named == by_id:
            return named
        if by_id is None and named not in self._with_id:
            return named
        if named is None and path_parts(self.paths[by_id])[-1] == path_parts(name)[-1]:
            return by_id
        raise InputError(
            f"its `image_id` {_shown(image_id)} and its `file_name` {_shown(name)} are "
            "not of one image"
        )

    def named(self, name: str) -> Any | None:
        """The image whose path ends with these folders and this name; None: none does.

        Raises:
            InputError: if several do.
        """
        wanted = path_parts(name)
        there = self._by_name.get(wanted[-1], [])
        found = [key for parts, key in there if parts == self._root + wanted]
        found = found or [k for parts, k in there if parts[-len(wanted) :] == wanted]
        if len(found) > 1:
            shown = " and ".join(self.paths[key] for key in found[:2])
            raise InputError(
                f"its `file_name` {_shown(name)} may be {len(found)} images, such as "
                f"{shown}; more of the path tells them apart"
            )
        return found[0] if found else None


def read_boxes(path: str) -> list[Row]:
    """Read a detector's boxes in COCO's result format.

    Raises:
        InputError: if the file is missing or no list of objects.
    """
    boxes = read_json(path)
    if not isinstance(boxes, list) or not all(isinstance(box, dict) for box in boxes):
        raise InputError(
            f"{path} must hold a list of boxes, each with `image_id`, `bbox` (x, y, "
            "width, height) and `score`."
        )
    return boxes


def has_id(row: Row) -> bool:
    """Whether an entry says an image's id that is one."""
    return is_id(row.get("image_id"))


def path_parts(path: str) -> tuple[str, ...]:
    """Folders and name of a path, whatever separates them."""
    return PurePosixPath(path.replace("\\", "/")).parts


def _shown(value: Any) -> str:
    return shortened(repr(value))
