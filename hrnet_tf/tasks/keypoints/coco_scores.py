"""COCO's keypoint metric: similarity, suppression, average precision."""

import contextlib
import io
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

STATISTICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")


def similarity(
    keypoints: np.ndarray,
    others: np.ndarray,
    area: float,
    areas: np.ndarray,
    sigmas: Sequence[float],
) -> np.ndarray:
    """Object keypoint similarity (OKS) of one predicted person with others.

    Args:
        keypoints: `(k, 2)`, x and y in pixels.
        others: `(n, k, 2)`.
        area: of the person, in square pixels.
        areas: `(n,)`, of the others.
        sigmas: how far annotators scatter at each keypoint, as a share of the size.

    Returns:
        `(n,)` in [0, 1]; all keypoints count.

    Source: https://cocodataset.org/#keypoints-eval.
    """
    variances = (2 * np.asarray(sigmas)) ** 2
    squared = ((others - keypoints) ** 2).sum(axis=-1)
    sizes = (area + areas[:, None]) / 2 + np.spacing(1)
    return np.exp(-squared / variances / sizes / 2).mean(axis=-1)


def suppress(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float],
    threshold: float = 0.9,
) -> np.ndarray:
    """Keep the best of people that are one and the same (OKS-NMS).

    Args:
        keypoints: `(n, k, 2)`, x and y in pixels.
        scores: `(n,)`.
        areas: `(n,)`, in square pixels.
        sigmas: `(k,)`, as for `similarity`.
        threshold: people more similar than this to a better one go.

    Returns:
        int64, the indices of those who stay, best first.
    """
    kept: list[int] = []
    left = np.argsort(scores)[::-1]
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        alike = similarity(
            keypoints[best], keypoints[left], areas[best], areas[left], sigmas
        )
        left = left[alike <= threshold]
    return np.array(kept, np.int64)


def suppress_softly(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float],
    threshold: float = 0.9,
    most: int = 20,
) -> np.ndarray:
    """Order people by scores that fall the more they are like better ones (soft NMS).

    Args and returns are those of `suppress`, except that scores fall by
    `exp(-similarity**2 / threshold)` and at most `most` people stay.
    """
    kept: list[int] = []
    left = np.argsort(scores)[::-1]
    scores = np.asarray(scores)[left]
    while left.size and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(best)
        alike = similarity(
            keypoints[best], keypoints[left], areas[best], areas[left], sigmas
        )
        scores = scores[1:] * np.exp(-(alike**2) / threshold)
        order = np.argsort(scores)[::-1]
        left, scores = left[order], scores[order]
    return np.array(kept, np.int64)


def person_scores(
    box_scores: np.ndarray, scores: np.ndarray, threshold: float = 0.2
) -> np.ndarray:
    """Score people by their box and their keypoints (rescoring).

    Args:
        box_scores: `(n,)`.
        scores: `(n, k)`, of the keypoints.
        threshold: only keypoints with a higher score count.

    Returns:
        `(n,)`: box score times the mean of the keypoint scores that count (0 without
        any).
    """
    counts = scores > threshold
    sums = np.where(counts, scores, 0).sum(axis=1)
    return box_scores * sums / np.maximum(counts.sum(axis=1), 1)


def average_precision(
    ground_truth: COCO,
    results: list[dict[str, Any]],
    category: int,
    sigmas: Sequence[float],
    left_out: Collection[int] = (),
) -> dict[str, float]:
    """Average precision and recall by pycocotools.

    Args:
        ground_truth: annotations with keypoints.
        results: entries of a COCO result file.
        category: id of the category to judge.
        sigmas: of the keypoints.
        left_out: ids of images in which nobody is judged.

    Returns:
        A number in [0, 1] for each of `STATISTICS` (-1: nothing of that size is
        annotated).
    """
    left = set(left_out)
    results = [entry for entry in results if entry["image_id"] not in left]
    if not results:
        return dict.fromkeys(STATISTICS, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        evaluation = _evaluation(ground_truth, results, category, sigmas)
        judged = [number for number in evaluation.params.imgIds if number not in left]
        evaluation.params.imgIds = judged
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(STATISTICS, map(float, evaluation.stats), strict=True))


def judged(
    data: dict[str, Any],
    results: list[dict[str, Any]],
    category: int,
    sigmas: Sequence[float],
    images: Collection[int],
    most: int,
) -> dict[str, Any]:
    """Precision and recall by pycocotools, of people of every size.

    Args:
        data: COCO annotations with keypoints and areas.
        results: entries of a COCO result file.
        category: id of the category to judge.
        sigmas: of the keypoints.
        images: ids of those to judge.
        most: people of an image that count, the best first.

    Returns:
        `precision` `(thresholds, recalls, 1, 1, 1)` and `recall` `(thresholds, 1, 1,
        1)` for similarities of 0.5, 0.55 to 0.95; -1 where nobody is annotated.
    """
    truth = COCO()
    truth.dataset = data
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = _evaluation(truth, results, category, sigmas)
        evaluation.params.imgIds = sorted(images)
        evaluation.params.maxDets = [most]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval


def _evaluation(
    ground_truth: COCO,
    results: list[dict[str, Any]],
    category: int,
    sigmas: Sequence[float],
) -> COCOeval:
    if 0 in ground_truth.anns:
        ground_truth = renumbered(ground_truth)
    results = [dict(entry) for entry in results]  # pycocotools writes into them
    evaluation = COCOeval(ground_truth, ground_truth.loadRes(results), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.asarray(sigmas)
    evaluation.params.catIds = [category]
    return evaluation


def renumbered(ground_truth: COCO) -> COCO:
    """The same with ids from 1: pycocotools takes id 0 for a missing match."""
    annotations = [
        {**annotation, "id": number}
        for number, annotation in enumerate(ground_truth.dataset["annotations"], 1)
    ]
    renumbered = COCO()
    renumbered.dataset = ground_truth.dataset | {"annotations": annotations}
    with contextlib.redirect_stdout(io.StringIO()):
        renumbered.createIndex()
    return renumbered
