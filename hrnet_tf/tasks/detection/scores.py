"""COCO's metric of boxes and masks: average precision and recall by pycocotools."""

import contextlib
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hrnet_tf.common.tables import text_table
from hrnet_tf.images.plots import draw_precision_recall
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.keypoints.coco_scores import renumbered

# COCO's names, in the order of pycocotools: AP over overlaps of 0.5 to 0.95, at 0.5, at
# 0.75, of small, middle and large objects; AR with 1, 10, 100 findings an image.
STATISTICS = (
    *("AP", "AP50", "AP75", "APS", "APM", "APL"),
    *("AR1", "AR10", "AR100", "ARS", "ARM", "ARL"),
)
MASKS = "mask_"  # what the names of masks' statistics begin with
FEW = 10  # classes of which each has a curve of its own
SURE = 0.3  # a finding with this score counts as one where images are compared

Kind = Literal["bbox", "segm"]


@dataclass(frozen=True)
class ObjectScores:
    """How good boxes or masks of objects are.

    Attributes:
        statistics: a number in [0, 1] for each of `STATISTICS`; -1: nothing of that
            size is annotated.
        classes: that were looked for.
        precision: float64 `(overlaps, recalls, classes)`, at overlaps of 0.5, 0.55 to
            0.95 and recalls of 0, 0.01 to 1; -1 for classes that are not annotated.
        recall: float64 `(overlaps, classes)`.
        annotated: int64 `(classes,)`, how many objects count.
        mistakes: by image, how many objects were missed at an overlap of 0.5, and how
            many findings with a score of at least `SURE` are of none.
    """

    statistics: dict[str, float]
    classes: ObjectClasses
    precision: np.ndarray
    recall: np.ndarray
    annotated: np.ndarray
    mistakes: Mapping[int, int]

    def per_class(self) -> list[tuple[str, float, float, float, int]]:
        """Name, AP, AP50, AR and number of objects of each class; -1: no objects."""
        rows = []
        for label, name in enumerate(self.classes.names):
            precision, recall = self.precision[..., label], self.recall[..., label]
            ap, ap50, ar = map(_mean, (precision, precision[0], recall))
            rows.append((name, ap, ap50, ar, int(self.annotated[label])))
        return rows

    def table(self) -> str:
        """The classes as text."""
        columns = ("class", "AP", "AP50", "AR", "objects")
        rows = [
            (name, *(value if value >= 0 else math.nan for value in values), count)
            for name, *values, count in self.per_class()
        ]
        return text_table(columns, rows)

    def draw(self, path: Path) -> None:
        """Draw precision over recall, as a PNG; see `draw_precision_recall`."""
        seen = np.flatnonzero(self.annotated > 0)
        if not len(seen):
            return
        precision = self.precision[..., seen]
        curves = {
            "overlap 0.5, all classes": precision[0].mean(axis=-1),
            "0.75": precision[5].mean(axis=-1),
            "0.5 to 0.95": precision.mean(axis=(0, -1)),
        }
        if 1 < len(seen) <= FEW:
            names = [self.classes.names[label] for label in seen]
            for name, curve in zip(names, precision[0].T, strict=True):
                curves[f"0.5, {name}"] = curve
        draw_precision_recall(curves, np.linspace(0, 1, 101), path)


def judge(
    ground_truth: COCO,
    results: Sequence[Mapping[str, Any]],
    classes: ObjectClasses,
    kind: Kind = "bbox",
    left_out: Collection[int] = (),
) -> ObjectScores:
    """Judge findings by COCO's metric.

    Args:
        ground_truth: annotations, with masks where masks are judged.
        results: entries of a COCO result file.
        classes: that are judged, with the category ids of the annotations.
        kind: `"bbox"` or `"segm"`: by boxes, or by masks.
        left_out: ids of images in which nothing is judged.

    Source: https://cocodataset.org/#detection-eval.
    """
    if 0 in ground_truth.anns:
        ground_truth = renumbered(ground_truth)
    left = set(left_out)
    images = [number for number in ground_truth.getImgIds() if number not in left]
    found = [_entry(entry, kind) for entry in results if entry["image_id"] not in left]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        answers = ground_truth.loadRes(found) if found else _nothing(ground_truth)
        evaluation = COCOeval(ground_truth, answers, kind)
        evaluation.params.imgIds = sorted(images)
        # In the order of the labels, which `per_class` goes by.
        evaluation.params.catIds = list(classes.category_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    numbers = map(float, evaluation.stats)
    precision = _by_label(evaluation.eval["precision"][..., 0, -1], classes)
    recall = _by_label(evaluation.eval["recall"][..., 0, -1], classes)
    annotated, mistakes = _counts(evaluation, classes)
    return ObjectScores(
        dict(zip(STATISTICS, numbers, strict=True)),
        classes,
        precision,
        recall,
        annotated,
        mistakes,
    )


def _entry(entry: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """A result as pycocotools takes it; it writes into it."""
    own = dict(entry)
    if kind == "segm":
        own.pop("bbox", None)  # sizes are those of the masks
    else:
        own.pop("segmentation", None)
    return own


def _nothing(ground_truth: COCO) -> COCO:
    """Results without any entry, which pycocotools does not load."""
    empty = COCO()
    empty.dataset = {**ground_truth.dataset, "annotations": []}
    empty.createIndex()
    return empty


def _by_label(values: np.ndarray, classes: ObjectClasses) -> np.ndarray:
    """The last axis, which pycocotools orders by category ids, in that of labels."""
    return values[..., np.argsort(np.argsort(classes.category_ids))]


def _counts(
    evaluation: COCOeval, classes: ObjectClasses
) -> tuple[np.ndarray, dict[int, int]]:
    """Objects by class, and mistakes by image, at the lowest overlap."""
    every = evaluation.params.areaRng[0]
    annotated = np.zeros(len(classes), np.int64)
    mistakes = dict.fromkeys(evaluation.params.imgIds, 0)
    for each in evaluation.evalImgs:
        if each is None or each["aRng"] != every:
            continue
        counts = ~np.asarray(each["gtIgnore"], bool)
        annotated[classes.label_of[each["category_id"]]] += counts.sum()
        sure = np.asarray(each["dtScores"]) >= SURE
        matched = np.asarray(each["dtMatches"][0], np.int64)
        wrong = sure & (matched == 0) & ~np.asarray(each["dtIgnore"][0], bool)
        found = np.isin(np.asarray(each["gtIds"]), matched[sure])
        missed = counts & ~found
        mistakes[each["image_id"]] += int(wrong.sum() + missed.sum())
    return annotated, mistakes


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0
