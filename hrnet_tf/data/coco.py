"""COCO keypoint annotations and detections to samples of top-down pose."""

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from hrnet_tf.boxes import check_box, clip_box, is_number
from hrnet_tf.config.pose import CocoSection
from hrnet_tf.data.checks import check_file, check_keypoints, file_sizes, is_id
from hrnet_tf.data.people import People
from hrnet_tf.data.problems import Policy, Problems
from hrnet_tf.errors import InputError
from hrnet_tf.labels import KeypointSet
from hrnet_tf.text_files import read_json

Row = dict[str, Any]
MakeRow = Callable[[Row, Row], Row | None]


class CocoKeypoints:
    """One part of a data set in COCO's keypoint format.

    Args:
        section: the annotation file, the folder of its images and, maybe, a file of
            boxes.
        keypoints: the set that the annotations must hold.
        on_error: `"stop"` or `"skip"`: what to do about broken samples.

    Attributes:
        ground_truth: the annotations without the broken ones, for pycocotools.
        category: id of the category that carries the keypoints.

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
        self._broken: list[str] = []
        whole = list(filter(self._is_whole, self.ground_truth.anns.values()))
        if self._broken:
            self.ground_truth = index(
                self.ground_truth.dataset | {"annotations": whole}
            )

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
        found = [
            item
            for item in self.ground_truth.anns.values()
            if item["category_id"] == self.category and not item["iscrowd"]
        ]
        rows = self._rows(found, "annotation", self._annotated_row, problems)
        return self._columns(rows, problems)

    def detected(self) -> People:
        """Everyone that the detector found with a high enough score.

        Raises:
            InputError: as `annotated` does, or if the boxes cannot be read.
        """
        self._annotation_problems().settle(len(self.ground_truth.anns))
        path = str(self.section.boxes)
        problems = Problems(path, self.on_error)
        found = [
            {**box, "id": number}
            for number, box in enumerate(read_boxes(path))
            if box.get("category_id", self.category) == self.category
            and not self._is_doubtful(box.get("score", 1.0))
        ]
        rows = self._rows(found, "box", self._detected_row, problems)
        return self._columns(rows, problems)

    def _is_doubtful(self, score: Any) -> bool:
        return is_number(score) and score < self.section.box_threshold

    def _annotation_problems(self) -> Problems:
        problems = Problems(self.section.annotations, self.on_error)
        for problem in self._broken:
            problems.add(problem)
        return problems

    def _is_whole(self, item: Row) -> bool:
        """Check an annotation, and fill in what pycocotools needs of it."""
        if item["category_id"] != self.category:
            return True
        try:
            count = len(self.keypoints)
            if item.setdefault("iscrowd", 0):
                item.setdefault("keypoints", [0] * 3 * count)
            keypoints = check_keypoints(item.get("keypoints"), count)
            _, _, width, height = check_box(item.get("bbox"))
        except InputError as error:
            self._broken.append(f"{self._name('annotation', item)}: {error}")
            return False
        visible = int((keypoints[:, 2] > 0).sum())
        for key, value in (("area", width * height), ("num_keypoints", visible)):
            if not is_number(item.get(key)):
                item[key] = value
        return True

    def _rows(
        self, found: Iterable[Row], kind: str, make_row: MakeRow, problems: Problems
    ) -> Iterator[Row]:
        folder = Path(self.section.images)
        sizes = file_sizes(folder)
        for item in found:
            name, image = self._name(kind, item), self._image(item)
            if image is None:
                problems.add(
                    f"{name}: there is no image with id {item.get('image_id')!r}"
                )
                continue
            file = folder / image["file_name"]
            try:
                row = make_row(item, image)
                if row is not None:
                    check_file(file, sizes)
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

    def _image(self, item: Row) -> Row | None:
        image_id = item.get("image_id")
        return self.ground_truth.imgs.get(image_id) if is_id(image_id) else None

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
        score = item.get("score", 1.0)
        if not is_number(score):
            raise InputError(f"`score` must be a number, got {score!r}")
        # The box must touch the image, but is used as it is, as the official code does.
        clip_box(item.get("bbox"), image["width"], image["height"])
        keypoints = np.zeros((len(self.keypoints), 3))
        return {"boxes": item["bbox"], "scores": score, "keypoints": keypoints}

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


# What every entry of each list must have.
NEEDED = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("id", "image_id", "category_id"),
    "categories": ("id", "name"),
}


def read_annotations(path: str) -> COCO:
    """Read COCO annotations.

    Raises:
        InputError: if the file is missing or not in COCO's format.
    """
    data = read_json(path)
    for key, needed in NEEDED.items():
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            raise InputError(f"{path} is not in COCO's format: it has no list `{key}`.")
        for entry in data[key]:
            _check_entry(f"{path}: an entry of `{key}`", entry, needed)
        ids = Counter(entry["id"] for entry in data[key])
        if twice := [entry_id for entry_id, times in ids.items() if times > 1]:
            raise InputError(
                f"{path}: `{key}` has {len(twice)} ids more than once, such as "
                f"{twice[0]!r}."
            )
    for image in data["images"]:
        sides = image["width"], image["height"]
        if not all(is_number(side) and side > 0 for side in sides):
            raise InputError(
                f"{path}: width and height of image {image['id']} must be positive, "
                f"got {sides[0]!r} and {sides[1]!r}."
            )
        if not isinstance(image["file_name"], str):
            raise InputError(
                f"{path}: `file_name` of image {image['id']} must be text, got "
                f"{image['file_name']!r}."
            )
    return index(data)


def _check_entry(where: str, entry: Any, needed: tuple[str, ...]) -> None:
    if not isinstance(entry, dict):
        raise InputError(f"{where} must be an object, got {str(entry)[:80]}.")
    for key in needed:
        if key not in entry:
            raise InputError(f"{where} has no `{key}`: {str(entry)[:80]}.")
        if key.endswith("id") and not is_id(entry[key]):
            raise InputError(
                f"{where} must have an integer as `{key}`: {str(entry)[:80]}."
            )


def index(data: dict[str, Any]) -> COCO:
    """COCO's own view of annotations."""
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
    if names is not None and names != list(keypoints.names):
        raise InputError(
            f"{where}: category {found[0].get('name')} has the keypoints "
            f"{names}, the set {keypoints.name} has {list(keypoints.names)}; "
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
