"""Segments from an exported panoptic network, in NumPy alone.

Beside exports this file is `panoptic.py`; with `decoder.py` there it is all that is
needed:

    import decoder, panoptic

    facts = decoder.read_manifest("model.onnx.json")
    tensor = decoder.prepare(image, facts)       # of a size that the network takes
    names = [output.name for output in session.get_outputs()]
    maps = dict(zip(names, session.run(names, {"image": tensor})))
    segments = panoptic.decode(maps, facts, image.shape[:2])

`segments` is `class * 1000 + number` for each pixel: 0 for stuff, 1 and more for the
things of a class, and 255000 where nothing is known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Facts = dict[str, Any]  # a manifest, as JSON gives it
DIVISOR, VOID = 1000, 255000


def decode(
    outputs: Mapping[str, np.ndarray], manifest: Facts, size: Sequence[int]
) -> np.ndarray:
    """A network's outputs about one image to its segments.

    Args:
        outputs: what the runtime gave, by name: `semantic`, `center` and `offset`, or
            `labels`, `centers` and `offsets` of a file that decodes; integers where the
            manifest gives a scale and a zero point.
        manifest: classes, corner rule, and how pixels are grouped.
        size: height and width of the image.

    Returns:
        int32 `(height, width)`.

    Raises:
        ValueError: if the outputs are about several images.
    """
    if "labels" in outputs:
        labels = _only(outputs["labels"]).astype(np.int32)
        centers, offsets = (_only(outputs[name]) for name in ("centers", "offsets"))
    else:
        corners = manifest["output"]["align_corners"]
        semantic, center, offset = (
            resize(_map(name, outputs[name], manifest), size, corners)
            for name in ("semantic", "center", "offset")
        )
        labels, centers = semantic.argmax(axis=-1), center[..., 0]
        offsets = offset * np.float32(manifest["output"]["stride"])
    names, things = manifest["classes"]["names"], manifest["classes"]["things"]
    are_things = np.array([name in things for name in names])
    return group(labels, centers, offsets, are_things, manifest["grouping"])


def group(
    labels: np.ndarray,
    centers: np.ndarray,
    offsets: np.ndarray,
    things: np.ndarray,
    grouping: Mapping[str, Any],
) -> np.ndarray:
    """The segments of one image, int32 `(height, width)`.

    Args:
        labels: of pixels, whole numbers `(height, width)`.
        centers: the heatmap, `(height, width)`.
        offsets: down and right in pixels, `(height, width, 2)`.
        things: bool `(classes,)`: whether each class has instances.
        grouping: `threshold`, `window`, `most` and `stuff_area`.
    """
    segments: np.ndarray = np.full(labels.shape, VOID, np.int32)
    for stuff in np.flatnonzero(~things):
        own = labels == stuff
        if own.sum() >= grouping["stuff_area"]:
            segments[own] = stuff * DIVISOR
    found = find_centers(centers, grouping)
    rows, columns = np.nonzero(things[labels])
    if not len(found) or not len(rows):
        return segments
    places = np.stack([rows, columns], axis=-1).astype(np.float32)
    places += offsets[rows, columns]
    owners = np.zeros(len(rows), np.int64)
    best: np.ndarray = np.full(len(rows), np.inf, np.float32)
    for number, center in enumerate(found.astype(np.float32)):
        apart = np.square(places - center).sum(axis=-1)
        owners[apart < best] = number
        best = np.minimum(best, apart)
    last: dict[int, int] = {}
    for number in range(len(found)):
        own = owners == number
        if not own.any():
            continue
        label = int(np.bincount(labels[rows[own], columns[own]]).argmax())
        last[label] = last.get(label, 0) + 1
        segments[rows[own], columns[own]] = label * DIVISOR + last[label]
    return segments


def find_centers(heatmap: np.ndarray, grouping: Mapping[str, Any]) -> np.ndarray:
    """The highest places of a heatmap, row by row: `(centres, 2)`, row and column."""
    reach = grouping["window"] // 2
    padded = np.pad(heatmap, reach, constant_values=-np.inf)
    height, width = heatmap.shape
    around = padded[reach : reach + height]
    for shift in range(2 * reach + 1):
        around = np.maximum(around, padded[shift : shift + height])
    highest = around[:, reach : reach + width]
    for shift in range(2 * reach + 1):
        highest = np.maximum(highest, around[:, shift : shift + width])
    places = np.flatnonzero((heatmap > grouping["threshold"]) & (heatmap >= highest))
    order = np.argsort(-heatmap.ravel()[places], kind="stable")[: grouping["most"]]
    places = np.sort(places[order])
    return np.stack([places // width, places % width], axis=-1)


def resize(maps: np.ndarray, size: Sequence[int], align_corners: bool) -> np.ndarray:
    """`(rows, columns, channels)` to `(*size, channels)`, bilinear."""
    for axis, pixels in enumerate(size):
        cells = maps.shape[axis]
        if align_corners:  # the middles of the corner cells stay at the corners
            places = np.arange(pixels) * ((cells - 1) / max(pixels - 1, 1))
        else:  # the corners of the corner cells do
            places = (np.arange(pixels) + 0.5) * (cells / pixels) - 0.5
        places = np.clip(places, 0, cells - 1)
        below = np.minimum(places.astype(int), max(cells - 2, 0))
        part = (places - below).astype(np.float32)
        part = part[:, None, None] if axis == 0 else part[None, :, None]
        low = np.take(maps, below, axis)
        high = np.take(maps, np.minimum(below + 1, cells - 1), axis)
        maps = low + (high - low) * part
    return maps


def _map(name: str, values: np.ndarray, manifest: Facts) -> np.ndarray:
    """One image's map, float32 `(rows, columns, channels)`."""
    facts = manifest["output"]
    found = np.asarray(_only(values), np.float32)
    steps = facts[name]["quantisation"]
    if steps:
        found = (found - steps["zero_point"]) * np.float32(steps["scale"])
    return found.transpose(1, 2, 0) if facts["layout"] == "NCHW" else found


def _only(values: np.ndarray) -> np.ndarray:
    """What is answered about the only image."""
    if len(values) != 1:
        raise ValueError(f"Outputs must be about one image, got {len(values)}.")
    return np.asarray(values)[0]
