"""WIDER FACE's metric: average precision on its easy, medium and hard faces."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.keypoints.matlab import read_matlab

SUBSETS = ("easy", "medium", "hard")
OVERLAP = 0.5
THRESHOLDS = 1000  # of scores, which are stretched to 0..1 over all images


@dataclass(frozen=True)
class JudgedFaces:
    """Faces of an image, and which of them count.

    Attributes:
        boxes: float64 `(n, 4)`: x, y, width, height.
        counted: by subset, bool `(n,)`; finding others is neither right nor wrong.
    """

    boxes: np.ndarray
    counted: Mapping[str, np.ndarray]


def read_subsets(folder: str | Path) -> dict[str, JudgedFaces]:
    """WIDER FACE's ground truth, by the names of images.

    Args:
        folder: with `wider_face_val.mat` and `wider_easy_val.mat`,
            `wider_medium_val.mat` and `wider_hard_val.mat`, as published.

    Returns:
        Faces by the path of an image, such as `0--Parade/0_Parade_a_1.jpg`.

    Raises:
        InputError: if a file is missing or holds something else.
    """
    path = str(Path(folder) / "wider_face_val.mat")
    content = read_matlab(path)
    lists = {}
    for subset in SUBSETS:
        own = str(Path(folder) / f"wider_{subset}_val.mat")
        lists[subset] = (own, read_matlab(own))
    try:
        found = {}
        for event, folder_name in enumerate(_texts(content["event_list"])):
            names = _texts(_cells(content["file_list"])[event])
            boxes = _cells(_cells(content["face_bbx_list"])[event])
            own_lists = {
                subset: _cells(_cells(own["gt_list"])[event])
                for subset, (_, own) in lists.items()
            }
            for number, name in enumerate(names):
                rows = np.asarray(boxes[number], np.float64).reshape(-1, 4)
                counted = {
                    subset: _marked(indices[number], len(rows))
                    for subset, indices in own_lists.items()
                }
                found[f"{folder_name}/{name}.jpg"] = JudgedFaces(rows, counted)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} and the files of subsets beside it are not WIDER FACE's ground "
            f"truth: {type(error).__name__} {error}."
        ) from None
    return found


def wider_average_precision(
    truth: Mapping[str, JudgedFaces],
    boxes: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """Average precision on easy, medium and hard faces.

    Args:
        truth: faces by image; all of these images are judged.
        boxes: found by image, `(n, 4)`: x, y, width, height.
        scores: of these.

    Returns:
        A number in [0, 1] for each of `SUBSETS`; -1: no face of it is there.

    Source: the evaluation program of Yang et al., http://shuoyang1213.me/WIDERFACE:
    pixels count as in MATLAB (a box from 3 to 5 is 3 wide), and precision is sampled at
    1000 scores.
    """
    every = np.concatenate(
        [np.zeros(0), *(scores[name] for name in truth if name in scores)]
    )
    low, high = (every.min(), every.max()) if len(every) else (0.0, 1.0)
    found = {subset: np.zeros((THRESHOLDS, 2)) for subset in SUBSETS}
    total = dict.fromkeys(SUBSETS, 0)
    for name, faces in truth.items():
        own = np.asarray(scores.get(name, np.zeros(0)), np.float64)
        order = np.argsort(-own, kind="stable")
        stretched = (own[order] - low) / max(high - low, np.finfo(float).tiny)
        own_boxes = np.asarray(boxes.get(name, np.zeros((0, 4))), np.float64)[order]
        best, of = _best_overlaps(own_boxes, faces.boxes)
        for subset, counted in faces.counted.items():
            total[subset] += int(counted.sum())
            if len(own) and len(faces.boxes):
                found[subset] += _counts(stretched, best, of, counted)
    return {
        subset: _area(found[subset], total[subset]) if total[subset] else -1.0
        for subset in SUBSETS
    }


def _best_overlaps(
    boxes: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The largest overlap of each box with any face, and which face that is."""
    if not len(boxes) or not len(faces):
        return np.zeros(len(boxes)), np.zeros(len(boxes), np.int64)
    low, other_low = boxes[:, None, :2], faces[None, :, :2]
    high, other_high = low + boxes[:, None, 2:], other_low + faces[None, :, 2:]
    sides = np.minimum(high, other_high) - np.maximum(low, other_low) + 1
    shared = np.where((sides > 0).all(axis=-1), sides.prod(axis=-1), 0.0)
    areas = (high - low + 1).prod(axis=-1) + (other_high - other_low + 1).prod(axis=-1)
    overlaps = shared / (areas - shared)
    return overlaps.max(axis=1), overlaps.argmax(axis=1)


def _counts(
    scores: np.ndarray, best: np.ndarray, of: np.ndarray, counted: np.ndarray
) -> np.ndarray:
    """How many boxes count, and how many faces are found, at each threshold.

    Args:
        scores: of the boxes, 0..1, descending.
        best: overlap of each with its face.
        of: which face that is.
        counted: which faces count.
    """
    matched = best >= OVERLAP
    beside = matched & ~counted[of]  # found, but the face does not count
    right = matched & counted[of]
    first = np.zeros(len(scores), bool)  # later ones of a face are wrong
    _, places = np.unique(of[right], return_index=True)
    first[np.flatnonzero(right)[places]] = True
    boxes, faces = np.cumsum(~beside), np.cumsum(first)
    thresholds = 1 - np.arange(1, THRESHOLDS + 1) / THRESHOLDS
    last = np.searchsorted(-scores, -thresholds, side="right") - 1
    rows = np.stack([boxes, faces], axis=-1)[np.maximum(last, 0)]
    return np.where((last >= 0)[:, None], rows, 0)


def _area(counts: np.ndarray, total: int) -> float:
    """Below precision over recall, where precision never rises."""
    boxes, faces = counts.T
    precision = np.divide(faces, boxes, out=np.zeros_like(faces), where=boxes > 0)
    recalls = np.concatenate([[0], faces / total, [1]])
    precision = np.concatenate([[0], precision, [0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recalls) * precision[1:]))


def _marked(indices: Any, count: int) -> np.ndarray:
    """Which of so many, by indices from 1."""
    marked = np.zeros(count, bool)
    chosen = np.asarray(indices, np.int64).ravel()
    if chosen.size and not 1 <= chosen.min() <= chosen.max() <= count:
        raise ValueError(f"faces {chosen.min()} to {chosen.max()} of {count}")
    marked[chosen - 1] = True
    return marked


def _cells(value: Any) -> list[Any]:
    """What the cells of MATLAB hold."""
    if not isinstance(value, np.ndarray) or value.dtype != object:
        raise TypeError(f"cells are expected, got {type(value).__name__}")
    return list(value.ravel())


def _texts(value: Any) -> list[str]:
    """Texts in cells."""
    return [str(np.asarray(cell).ravel()[0]) for cell in _cells(value)]
