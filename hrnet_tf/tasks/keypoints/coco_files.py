"""Files in COCO's format: read, and checked as far as pycocotools needs it."""

import contextlib
import io
from collections import Counter
from typing import Any

from pycocotools.coco import COCO

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_json
from hrnet_tf.images.boxes import is_number, shortened
from hrnet_tf.tasks.keypoints.coco_checks import is_id
from hrnet_tf.tasks.keypoints.coco_repairs import Repairs
from hrnet_tf.tasks.keypoints.named_points import NamedPoints

# What every entry of each list must have.
NEEDED = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("id", "image_id", "category_id"),
    "categories": ("id", "name"),
}


def read_annotations(path: str, repairs: Repairs | None = None) -> COCO:
    """Read COCO annotations.

    Args:
        path: of the file.
        repairs: counts what is written otherwise than COCO does, but means the same.

    Raises:
        InputError: if the file is missing or not in COCO's format.
    """
    data, repairs = read_json(path), repairs or Repairs()
    for key, needed in NEEDED.items():
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            raise InputError(f"{path} is not in COCO's format: it has no list `{key}`.")
        for entry in data[key]:
            _check_entry(f"{path}: an entry of `{key}`", entry, needed, repairs)
        ids = Counter(entry["id"] for entry in data[key])
        if twice := [entry_id for entry_id, times in ids.items() if times > 1]:
            raise InputError(
                f"{path}: `{key}` has {len(twice)} ids more than once, such as "
                f"{twice[0]!r}."
            )
    for image in data["images"]:
        _check_image(path, image, repairs)
    return index(data)


def _check_entry(
    where: str, entry: Any, needed: tuple[str, ...], repairs: Repairs
) -> None:
    if not isinstance(entry, dict):
        raise InputError(f"{where} must be an object, got {shortened(str(entry))}.")
    for key in needed:
        if key not in entry:
            raise InputError(f"{where} has no `{key}`: {shortened(str(entry))}.")
        if not key.endswith("id"):
            continue
        value = entry[key]
        if isinstance(value, float) and value.is_integer():
            entry[key] = int(value)
            repairs.add("ids are written as fractions: read as integers", repr(value))
        if not is_id(entry[key]):
            raise InputError(
                f"{where} must have an integer as `{key}`: {shortened(str(entry))}."
            )


def _check_image(path: str, image: dict[str, Any], repairs: Repairs) -> None:
    sides = image["width"], image["height"]
    if not all(is_number(side) and 0 < side < 2**31 for side in sides):
        raise InputError(
            f"{path}: width and height of image {image['id']} must be positive, got "
            f"{shortened(repr(sides[0]))} and {shortened(repr(sides[1]))}."
        )
    if any(side != int(side) for side in sides):
        raise InputError(
            f"{path}: width and height of image {image['id']} must be whole pixels, "
            f"got {sides[0]!r} and {sides[1]!r}."
        )
    if not all(isinstance(side, int) for side in sides):
        image["width"], image["height"] = map(int, sides)
        what = "images' sizes are written as fractions: read as integers"
        repairs.add(what, f"image {image['id']}")
    if not isinstance(image["file_name"], str) or not image["file_name"]:
        raise InputError(
            f"{path}: `file_name` of image {image['id']} must be text, got "
            f"{image['file_name']!r}."
        )


def index(data: dict[str, Any]) -> COCO:
    """COCO's own view of annotations."""
    coco = COCO()
    coco.dataset = data
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def find_category(coco: COCO, keypoints: NamedPoints, where: str) -> int:
    """The id of the category that carries the keypoints.

    Raises:
        InputError: if there is none, several, or one with other keypoints.
    """
    found = [
        category
        for category in coco.cats.values()
        if keypoints.category in (None, category.get("name"))
        and (keypoints.category or category.get("keypoints"))
    ]
    if len(found) > 1:  # one of the same name that says it has none is not meant
        found = [each for each in found if each.get("keypoints", ["some"])]
    if len(found) != 1:
        names = [category.get("name") for category in coco.cats.values()]
        raise InputError(
            f"{where}: one category with the keypoints of {keypoints.name} is expected"
            f"{f' (named {keypoints.category})' if keypoints.category else ''}, found "
            f"{len(found)} among {names}; `category` in the keypoint set names it."
        )
    names = found[0].get("keypoints")
    if names and names != list(keypoints.names):
        raise InputError(
            f"{where}: category {found[0].get('name')} has the keypoints "
            f"{names}, the set {keypoints.name} has {list(keypoints.names)}; "
            "data.keypoints must name a set that agrees with the annotations."
        )
    return found[0]["id"]
