"""MPII's files: annotations as JSON or as MATLAB's, and the sizes of heads."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_json
from hrnet_tf.images.boxes import is_number, shortened
from hrnet_tf.tasks.keypoints.matlab import read_matlab

KEYPOINTS = 16
PIXELS = 200.0  # of a person whose `scale` is 1

HEADS = ("pos_gt_src", "jnt_missing", "headboxes_src")


@dataclass(frozen=True)
class Entry:
    """A person as annotated; positions count from 1, as MATLAB does.

    Attributes:
        name: what to call the person in messages.
        image: name of the file.
        given: `center`, `scale`, `joints` and `joints_vis`, as they are in JSON.
        head: x and y of two opposite corners of the head's box, if they are there.
    """

    name: str
    image: Any
    given: dict[str, Any]
    head: np.ndarray | None = None


@dataclass(frozen=True)
class Heads:
    """What predictions are judged by, a row a person.

    Attributes:
        places: float64 `(n, 16, 2)`, x and y of the keypoints, from 1.
        annotated: bool `(n, 16)`, which of them are.
        boxes: float64 `(n, 2, 2)`, two opposite corners of each head's box.
    """

    places: np.ndarray
    annotated: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.places)


def read_entries(path: str) -> list[Entry]:
    """Everyone in a file of annotations.

    Args:
        path: the official JSON (`train.json`, `valid.json`, `trainval.json`), or the
            data set's own `mpii_human_pose_v1_u12_1.mat`, of which everyone with
            keypoints in its training images is taken.

    Raises:
        InputError: if it is neither.
    """
    if Path(path).suffix == ".mat":
        return list(_released(path))
    data = read_json(path)
    if not isinstance(data, list) or not all(isinstance(x, dict) for x in data):
        raise InputError(
            f"{path} is not in MPII's format: it must hold a list of people, each with "
            "`image`, `center`, `scale`, `joints` and `joints_vis`."
        )
    if data and not any("joints" in person for person in data):
        raise InputError(
            f"{path}: nobody has `joints`; MPII's test set is not annotated, so that "
            "nothing can be learnt from it or judged by it."
        )
    return [
        Entry(f"person {number}", person.get("image"), person)
        for number, person in enumerate(data)
    ]


def _released(path: str) -> Iterator[Entry]:
    """Everyone with keypoints in the training images of the release.

    Images differ in the fields that they have, and people of one image in what is in
    them; what is missing or empty there is missing in the entry.
    """
    content = read_matlab(path, structures=True)
    try:
        release = content["RELEASE"]
        columns = (_several(release[name]) for name in ("annolist", "img_train"))
        for image, trained in zip(*columns, strict=True):
            name = image["image"]["name"]
            people = _several(image.get("annorect", ())) if trained else []
            for number, person in enumerate(people):
                if points := _released_points(person):
                    given = _released_person(person, points)
                    head = _released_head(person)
                    yield Entry(f"person {number} of {name}", name, given, head)
    except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError(
            f"{path} is not MPII's file of annotations: it has no RELEASE with "
            f"annolist, img_train, image, annorect as there ({error!r})."
        ) from None


def _released_points(person: dict[str, Any]) -> list[dict[str, Any]]:
    """The annotated keypoints; none: there is a head alone."""
    found = person.get("annopoints")
    return _several(found.get("point", ())) if isinstance(found, dict) else []


def _released_person(
    person: dict[str, Any], points: list[dict[str, Any]]
) -> dict[str, Any]:
    joints = np.full((KEYPOINTS, 2), -1.0)
    visible = np.zeros(KEYPOINTS, int)
    for point in points:
        joints[int(point["id"])] = point["x"], point["y"]
        visible[int(point["id"])] = 1
    given: dict[str, Any] = {
        "joints": joints.tolist(),
        "joints_vis": visible.tolist(),
    }
    place: Any = person.get("objpos")
    scale: Any = person.get("scale")
    center: list[Any] = [None]
    if isinstance(place, dict):
        center = [place.get(axis) for axis in "xy"]
    if all(map(is_number, center)):
        given["center"] = [float(value) for value in center]
    if is_number(scale):
        given["scale"] = float(scale)
    return given


def _released_head(person: dict[str, Any]) -> np.ndarray | None:
    sides = [person.get(name) for name in ("x1", "y1", "x2", "y2")]
    if not all(map(is_number, sides)):
        return None
    return np.array(sides, np.float64).reshape(2, 2)


def _several(found: Any) -> list[Any]:
    """What MATLAB gives as one thing where there is only one."""
    return list(found) if isinstance(found, (list, tuple, np.ndarray)) else [found]


def check_person(given: dict[str, Any]) -> tuple[np.ndarray, float, np.ndarray]:
    """Centre, scale and keypoints of an entry.

    Args:
        given: see `Entry`.

    Returns:
        float64 `(2,)`, from 1; heights of 200 pixels; and float64 `(16, 3)`: x and y
        from 1, and 1 if it is annotated, else 0.

    Raises:
        InputError: if something is missing, or of another kind.
    """
    center: Any = given.get("center")
    scale: Any = given.get("scale")
    if not _are_numbers(center, 2) or center == [-1, -1]:
        raise InputError(
            f"`center` must be x and y in pixels, got {shortened(repr(center))}"
        )
    if not is_number(scale) or scale <= 0:
        raise InputError(
            f"`scale` must be a positive number, got {shortened(repr(scale))}"
        )
    joints: Any = given.get("joints")
    visible: Any = given.get("joints_vis")
    pairs = isinstance(joints, list) and len(joints) == KEYPOINTS
    if not pairs or not all(_are_numbers(pair, 2) for pair in joints):
        raise InputError(
            f"`joints` must be {KEYPOINTS} pairs of x and y, got "
            f"{shortened(repr(joints))}"
        )
    if not _are_numbers(visible, KEYPOINTS):
        raise InputError(
            f"`joints_vis` must be {KEYPOINTS} numbers, got {shortened(repr(visible))}"
        )
    flags = (np.array(visible) > 0)[:, None]
    keypoints = np.concatenate([np.array(joints, np.float64), flags], axis=-1)
    return np.array(center, np.float64), float(scale), keypoints


def _are_numbers(values: Any, count: int) -> bool:
    listed = isinstance(values, list) and len(values) == count
    return listed and all(map(is_number, values))


def read_heads(path: str, keypoints: np.ndarray) -> Heads:
    """What the official program judges by: `gt_valid.mat`.

    Args:
        path: of the file.
        keypoints: `(n, 16, 3)`, as the annotations have them, from 1: the file must be
            of the same people, in the same order.

    Raises:
        InputError: if it is of another kind, or of others.
    """
    content = read_matlab(path, structures=True)
    if missing := [name for name in HEADS if name not in content]:
        raise InputError(
            f"{path} is not MPII's file of ground truth: it has no {missing[0]}; "
            f"expected are {', '.join(HEADS)}."
        )
    arrays = [np.asarray(content[name], np.float64) for name in HEADS]
    if arrays[0].ndim == 2:  # one person
        arrays = [array[..., None] for array in arrays]
    places, missing_, boxes = (np.moveaxis(array, -1, 0) for array in arrays)
    expected = ((KEYPOINTS, 2), (KEYPOINTS,), (2, 2))
    shapes = tuple(array.shape[1:] for array in (places, missing_, boxes))
    if shapes != expected:
        raise InputError(
            f"{path}: {', '.join(HEADS)} must be of shapes {expected} for each person, "
            f"got {shapes}."
        )
    if len(places) != len(keypoints):
        raise InputError(
            f"{path} is of {len(places)} people, the annotations are of "
            f"{len(keypoints)}; `heads` must be the ground truth of the same part."
        )
    heads = Heads(places, missing_ == 0, boxes)
    both = heads.annotated & (keypoints[..., 2] > 0)
    apart = np.abs(places - keypoints[..., :2]).max(axis=-1)
    others = (np.where(both, apart, 0).max(axis=-1) > 2).mean()
    if others > 0.5:
        raise InputError(
            f"{path} has other places than the annotations for {others:.0%} of the "
            "people; `heads` must be the ground truth of the same part, in its order."
        )
    return heads
