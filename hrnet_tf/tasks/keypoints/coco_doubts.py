"""What looks wrong in COCO files, but is not certain: named, never changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import check_box

Row = dict[str, Any]

# Images are larger than this: coordinates up to 1 are shares of them.
SMALL = 8


def doubts(items: list[Row], images: Mapping[int, Row]) -> list[str]:
    """What looks wrong in annotations of one category, a line each.

    Args:
        items: whole annotations.
        images: by their ids.
    """
    known = [item for item in items if item["image_id"] in images]
    pairs = [(item["bbox"], images[item["image_id"]]) for item in known]
    found = [*box_doubts(pairs), *_keypoint_doubts(items, images)]
    large = []
    for item in items:
        _, _, width, height = check_box(item["bbox"])
        if item["area"] > 1.5 * (width + 1) * (height + 1):
            large.append(item["id"])
    if large:
        found.append(
            f"{len(large)} annotations have an `area` larger than their box (first: "
            f"annotation {large[0]}): are both in pixels of the image?"
        )
    seen: dict[tuple, int] = {}
    twice = []
    for item in items:
        if item["num_keypoints"] and not item["iscrowd"]:
            key = (item["image_id"], *item["bbox"], *item["keypoints"])
            if seen.setdefault(key, item["id"]) != item["id"]:
                twice.append(item["id"])
    if twice:
        found.append(
            f"{len(twice)} annotations repeat another one of their image (first: "
            f"annotation {twice[0]}): they count as people who are missed"
        )
    names = Counter(image["file_name"] for image in images.values())
    if shared := [name for name, times in names.items() if times > 1]:
        found.append(
            f"{len(shared)} files are several images (first: {shared[0]}): people "
            "annotated under the other id count as missed"
        )
    return found


def box_doubts(pairs: Iterable[tuple[Any, Row]]) -> Iterator[str]:
    """What looks wrong in boxes, a line each.

    Args:
        pairs: boxes, each with its image; what is no box does not count.
    """
    boxes, sizes = [], []
    for box, image in pairs:
        try:
            boxes.append(check_box(box))
        except InputError:
            continue
        sizes.append((image["width"], image["height"]))
    if not boxes:
        return
    start, end = np.hsplit(np.array(boxes), 2)
    size = np.array(sizes, float)
    if size.min() > SMALL and (np.abs(start).max() <= 1 and end.max() <= 1):
        yield (
            f"all {len(boxes)} boxes lie within one pixel: are they shares of the "
            "image? Boxes are x, y, width, height in pixels"
        )
        return
    corners = ((end > start) & (end <= size + 1)).all()
    beyond = ((start + end) > size + 1).any(axis=1).mean()
    if corners and beyond >= 0.1:
        yield (
            f"all {len(boxes)} boxes fit their images as x, y, x, y, and "
            f"{beyond:.0%} of them reach out as x, y, width, height: are they corners? "
            "Boxes are x, y, width, height in pixels"
        )


def _keypoint_doubts(items: list[Row], images: Mapping[int, Row]) -> Iterator[str]:
    if not items:
        return
    together = np.array([a["keypoints"] for a in items], float).reshape(-1, 3)
    visibilities = together[:, 2]
    odd = visibilities[~np.isin(visibilities, (0, 1, 2))]
    if odd.size:
        yield (
            f"{odd.size} keypoints have another visibility than 0, 1 or 2 (first: "
            f"{odd[0]:g}): above 0 they count as annotated"
        )
    places = together[visibilities > 0, :2]
    sides = [min(i["width"], i["height"]) for i in images.values()]
    if len(places) and min(sides, default=0) > SMALL and np.abs(places).max() <= 1:
        yield (
            f"all {len(places)} keypoints lie within one pixel: are they shares of the "
            "image? Keypoints are in pixels"
        )
