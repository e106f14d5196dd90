"""COCO keypoint annotations and detections to samples of top-down pose."""

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from hrnet_tf.config import CocoSection
from hrnet_tf.data.people import People, Policy, Problems
from hrnet_tf.errors import InputError
from hrnet_tf.labels import KeypointSet

Row = dict[str, Any]
MakeRow = Callable[[Row, Row], Row | None]


class CocoKeypoints:
    """One part of a data set in COCO's keypoint format.

    Args:
        section: the annotation file, the folder of its images and, maybe, a file of
            boxes.
        keypoints: the set that the annotations must hold.
        on_error: `"stop"` or `"skip"`: what to do about broken samples.

    Raises:
        InputError: if the annotations cannot be read or do not hold these keypoints.

    Example:
        ```python
        part = CocoKeypoints(config.data.validation, KeypointSet.read("coco"))
        people = part.people()
        ```
    """

    def __init__(
        self, section: CocoSection, keypoints: KeypointSet, on_error: Policy = "stop"
    ):
        self.section = section
        self.keypoints = keypoints
        self.on_error = on_error
        self.ground_truth = read_annotations(section.annotations)
        self.category = find_category(self.ground_truth, keypoints, section.annotations)

    def people(self) -> People:
        """Everyone to look at: in the detector's boxes if given, else as annotated."""
        return self.detected() if self.section.boxes else self.annotated()

    def annotated(self) -> People:
        """Everyone with at least one annotated keypoint.

        Raises:
            InputError: if samples are broken and `on_error` is `"stop"`, or none is
                left.
        """
        problems = Problems(self.section.annotations, self.on_error)
        found = self.ground_truth.anns.values()
        rows = self._rows(found, "annotation", self._annotated_row, problems)
        return self._columns(rows, problems)

    def detected(self) -> People:
        """Everyone that the detector found with a high enough score.

        Raises:
            InputError: as `annotated` does, or if the boxes cannot be read.
        """
        path = str(self.section.boxes)
        problems = Problems(path, self.on_error)
        found = [
            {**box, "id": number}
            for number, box in enumerate(read_boxes(path))
            if box.get("category_id", self.category) == self.category
            and box.get("score", 1.0) >= self.section.box_threshold
        ]
        rows = self._rows(found, "box", self._detected_row, problems)
        return self._columns(rows, problems)

    def _rows(
        self, found: Iterable[Row], kind: str, make_row: MakeRow, problems: Problems
    ) -> Iterator[Row]:
        folder = Path(self.section.images)
        sizes = file_sizes(folder)
        for item in found:
            name = f"{kind} {item.get('id')}"
            image = self.ground_truth.imgs.get(item.get("image_id"))
            if image is None:
                problems.add(
                    f"{name}: there is no image with id {item.get('image_id')!r}"
                )
                continue
            file = folder / image["file_name"]
            name = f"{name} of {file} (image id {image['id']})"
            try:
                check_file(file, sizes)
                row = make_row(item, image)
            except InputError as error:
                problems.add(f"{name}: {error}")
                continue
            if row is not None:
                yield {
                    "files": str(file),
                    "image_ids": image["id"],
                    "sources": name,
                    "image_sizes": (image["height"], image["width"]),
                    **row,
                }

    def _annotated_row(self, item: Row, image: Row) -> Row | None:
        if item.get("iscrowd") or item.get("category_id") != self.category:
            return None
        flat = item.get("keypoints")
        if flat is None or "bbox" not in item:
            raise InputError(f"`{'bbox' if flat else 'keypoints'}` is missing")
        if len(flat) != 3 * len(self.keypoints):
            raise InputError(
                f"{len(self.keypoints)} keypoints ({3 * len(self.keypoints)} numbers) "
                f"are expected, found {len(flat)} numbers"
            )
        keypoints = np.array(flat, np.float64).reshape(-1, 3)
        if not keypoints.any():  # a person, but nothing to learn from
            return None
        keypoints[:, 2] = np.minimum(keypoints[:, 2], 1)
        keypoints[:, :2] *= keypoints[:, 2:]
        box = clip_box(item["bbox"], image["width"], image["height"])
        return {"boxes": box, "scores": 1.0, "keypoints": keypoints}

    def _detected_row(self, item: Row, image: Row) -> Row:
        if "bbox" not in item:
            raise InputError("`bbox` is missing")
        clip_box(
            item["bbox"], image["width"], image["height"]
        )  # must touch the image ...
        return {
            "boxes": item[
                "bbox"
            ],  # ... but is used as it is, as the official code does
            "scores": item.get("score", 1.0),
            "keypoints": np.zeros((len(self.keypoints), 3)),
        }

    def _columns(self, found: Iterator[Row], problems: Problems) -> People:
        rows = list(found)
        problems.settle(len(rows))
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        texts = {name: np.array(columns.pop(name)) for name in ("files", "sources")}
        integers = {
            name: np.array(columns.pop(name), np.int64)
            for name in ("image_ids", "image_sizes")
        }
        return People(
            **texts,
            **integers,
            **{k: np.array(v, np.float64) for k, v in columns.items()},
        )


def read_annotations(path: str) -> COCO:
    """Read COCO annotations; `area`, `iscrowd` and `num_keypoints` may be missing.

    Raises:
        InputError: if the file is missing or not in COCO's format.
    """
    data = read_json(path)
    for key in ("images", "annotations", "categories"):
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            raise InputError(f"{path} is not in COCO's format: it has no list `{key}`.")
    for image in data["images"]:
        for key in ("id", "file_name", "width", "height"):
            if key not in image:
                raise InputError(
                    f"{path}: image {image.get('id', image)} has no `{key}`."
                )
    for annotation in data["annotations"]:
        if "id" not in annotation:
            raise InputError(
                f"{path}: an annotation has no `id`: {str(annotation)[:80]}."
            )
        annotation.setdefault("iscrowd", 0)
        _, _, width, height = annotation.get("bbox") or (0, 0, 0, 0)
        annotation.setdefault("area", width * height)
        visible = sum(v > 0 for v in annotation.get("keypoints", [])[2::3])
        annotation.setdefault("num_keypoints", visible)
    coco = COCO()
    coco.dataset = data
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def find_category(coco: COCO, keypoints: KeypointSet, where: str) -> int:
    """The id of the category that carries the keypoints.

    Raises:
        InputError: if there is none, several, or one with other keypoints.
    """
    found = [
        category
        for category in coco.cats.values()
        if keypoints.category in (None, category.get("name"))
        and (keypoints.category or "keypoints" in category)
    ]
    if len(found) != 1:
        names = [category.get("name") for category in coco.cats.values()]
        raise InputError(
            f"{where}: one category with the keypoints of {keypoints.name} is expected"
            f"{f' (named {keypoints.category})' if keypoints.category else ''}, found "
            f"{len(found)} among {names}; `category` in the keypoint set names it."
        )
    names = found[0].get("keypoints")
    if names is not None and tuple(names) != keypoints.names:
        raise InputError(
            f"{where}: category {found[0].get('name')} has the keypoints "
            f"{list(names)}, the set {keypoints.name} has {list(keypoints.names)}; "
            "data.keypoints must name a set that agrees with the annotations."
        )
    return found[0]["id"]


def read_boxes(path: str) -> list[dict[str, Any]]:
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


def read_json(path: str) -> Any:
    """Read a JSON file.

    Raises:
        InputError: if it is missing or broken.
    """
    if not os.path.isfile(path):
        raise InputError(f"There is no file {path}.")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid JSON: {error}.") from None


def clip_box(box: Any, width: int, height: int) -> tuple[float, float, float, float]:
    """A box clipped to its image, as the official code does (it loses one pixel).

    Args:
        box: x, y, width, height in image pixels.
        width: of the image.
        height: of the image.

    Raises:
        InputError: if the box is no box, has no area, or lies outside the image.
    """
    try:
        x, y, w, h = (float(value) for value in box)
    except (TypeError, ValueError):
        raise InputError(f"`bbox` must be [x, y, width, height], got {box}") from None
    if not (np.isfinite([x, y, w, h]).all() and w > 0 and h > 0):
        raise InputError(f"its box {list(box)} has no area")
    left, top = max(0.0, x), max(0.0, y)
    right = min(width - 1.0, left + max(0.0, w - 1))
    bottom = min(height - 1.0, top + max(0.0, h - 1))
    if right < left or bottom < top or x + w <= 0 or y + h <= 0:
        raise InputError(
            f"its box {list(box)} lies outside the image of {width}x{height}"
        )
    return left, top, right - left, bottom - top


def file_sizes(folder: Path) -> dict[str, int]:
    """Size in bytes of every file directly in a folder, in one pass.

    Raises:
        InputError: if there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder of images {folder}.")
    with os.scandir(folder) as entries:
        return {
            entry.path: entry.stat().st_size for entry in entries if entry.is_file()
        }


def check_file(file: Path, sizes: dict[str, int]) -> None:
    """Raise an InputError if an image is missing or empty; `sizes` saves a look-up."""
    size = sizes.get(str(file))
    if size is None:  # in a folder below, or not there
        size = file.stat().st_size if file.is_file() else None
    if size is None:
        raise InputError("the image file does not exist")
    if size == 0:
        raise InputError("the image file is empty")
