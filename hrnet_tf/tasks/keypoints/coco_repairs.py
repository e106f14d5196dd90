"""Annotations that are not as COCO has them: what is certain is repaired, counted."""

from statistics import median
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import REACH, check_box, check_place, is_number, shortened
from hrnet_tf.tasks.keypoints.coco_checks import check_keypoints

Row = dict[str, Any]

# An area of so few square pixels in a box of so many is none: a placeholder.
PLACEHOLDER = 1.0
LARGE = 100.0

CROWDS = {"0": 0, "1": 1, "false": 0, "true": 1, "": 0}


class Repairs:
    """Counts repairs by their kind."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, where: str) -> None:
        """Note one; `kind` says what was found and what it was taken for."""
        count, first = self._found.get(kind, (0, where))
        self._found[kind] = count + 1, first

    def lines(self) -> list[str]:
        """A line for each kind."""
        return [
            f"{count} times: {kind} (first: {where})"
            for kind, (count, where) in self._found.items()
        ]


def mend(
    item: Row, count: int, image: Row | None, repairs: Repairs, recount: bool = True
) -> None:
    """Check an annotation, and repair what is certain, but for its area.

    Args:
        item: the annotation; changed.
        count: how many keypoints it must have.
        image: that it belongs to; None: it is not known.
        repairs: counts what is repaired.
        recount: whether `num_keypoints` must be the number of annotated ones; else any
            number will do (CrowdPose's is that of visible ones).

    Raises:
        InputError: if it is broken.
    """
    where = f"annotation {item['id']}"
    item["iscrowd"] = as_crowd(item.get("iscrowd", 0), where, repairs)
    if item["iscrowd"] and not item.get("keypoints"):
        item["keypoints"] = [0] * 3 * count
    try:
        keypoints = check_keypoints(item.get("keypoints"), count)
    except InputError:
        if not _clear_unlabelled(item.get("keypoints"), count):
            raise
        keypoints = check_keypoints(item["keypoints"], count)
        repairs.add("keypoints that are not annotated have no numbers: 0 taken", where)
    box = check_box(item.get("bbox"))
    seen = keypoints[keypoints[:, 2] > 0]
    if image is not None:
        width, height = image["width"], image["height"]
        check_place(box, width, height)
        beyond = REACH * max(width, height)
        for x, y, _ in seen.tolist():
            if max(-x, -y, x - width, y - height) > beyond:
                raise InputError(
                    f"its keypoint at {x:g}, {y:g} lies beyond the image of "
                    f"{width}x{height} by more than {REACH:g} times its longer side"
                )
    number: Any = item.get("num_keypoints")
    stated = is_number(number) and number >= 0 and not recount
    if not stated and (isinstance(number, bool) or number != len(seen)):
        item["num_keypoints"] = len(seen)
        what = "`num_keypoints` is missing or not what the keypoints are: counted anew"
        repairs.add(what, where)


def mend_areas(items: list[Row], repairs: Repairs, usual: float | None = None) -> None:
    """Give annotations with a box the area that theirs cannot be.

    Args:
        items: of one category; those are changed whose `area` is missing, no number,
            not above 0, or a placeholder in a large box.
        repairs: counts them.
        usual: what an area is of its box in this data set; None: as the others have it.
    """
    shares, without = [], []
    for item in items:
        _, _, width, height = check_box(item["bbox"])
        area: Any = item.get("area")
        of_box = width * height
        placeholder = of_box > LARGE and is_number(area) and area <= PLACEHOLDER
        if is_number(area) and area > 0 and not placeholder:
            shares.append(area / of_box)
        else:
            without.append((item, of_box))
    share = usual or (min(1.0, median(shares)) if shares else 1.0)
    taken = (
        f"{share:.2f} of the box's is taken, as the data set's own metric has it"
        if usual
        else f"{share:.2f} of the box's is taken, as the others have it"
        if shares
        else "the box's is taken; COCO's are of outlines, about half of it, so that AP "
        "is another number than with those"
    )
    for item, of_box in without:
        item["area"] = of_box * share
        repairs.add(f"`area` is missing or none: {taken}", f"annotation {item['id']}")


def as_crowd(value: Any, where: str, repairs: Repairs) -> int:
    """What `iscrowd` of an annotation says, 0 or 1.

    Args:
        value: as it is written.
        where: names the annotation.
        repairs: counts what is written otherwise, but means the same.

    Raises:
        InputError: if it means neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value in (0, 1):
        return value
    text = "" if value is None else str(value).lower().removesuffix(".0")
    if text not in CROWDS:
        raise InputError(f"`iscrowd` must be 0 or 1, got {shortened(repr(value))}")
    repairs.add("`iscrowd` is not written as 0 or 1: read as what it says", where)
    return CROWDS[text]


def _clear_unlabelled(flat: Any, count: int) -> bool:
    """Put zeros where keypoints without annotation have no numbers, if any."""
    cleared = False
    if not isinstance(flat, list) or len(flat) != 3 * count:
        return cleared
    for start in range(0, len(flat), 3):
        x, y, visibility = flat[start : start + 3]
        unlabelled = is_number(visibility) and visibility == 0
        if unlabelled and not (is_number(x) and is_number(y)):
            flat[start : start + 2] = [0, 0]
            cleared = True
    return cleared
