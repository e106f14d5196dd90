"""Panoptic quality: how many segments are found, and how well each is covered.

Source: Kirillov et al., https://arxiv.org/abs/1801.00868, section 4, with the rules for
void and crowds of COCO's evaluation program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.tables import text_table
from hrnet_tf.tasks.panoptic.classes import PanopticClasses
from hrnet_tf.tasks.panoptic.segments import CROWD, DIVISOR, VOID

# What is summed for each class, a row each.
SUMS = ("IoU of those found", "found", "wrong", "missed")
COLUMNS = ("class", "PQ", "SQ", "RQ", "found", "wrong", "missed")
MATCH = 0.5  # a segment is found by one that shares more than this with it
IGNORED = 0.5  # a wrong segment does not count if more of it is void or a crowd's


def compare_segments(
    target: np.ndarray, predicted: np.ndarray, classes: int
) -> np.ndarray:
    """Count how many segments of one image are found.

    A segment is found if one of its class shares more than half of the union with it;
    void pixels of the target do not belong to the union. Crowds need not be found; what
    lies by more than half in void or in a crowd of its class is not wrong.

    Args:
        target: int32 `(height, width)`, see `segments`.
        predicted: the same.
        classes: how many there are.

    Returns:
        float64 `(4, classes)`: the rows of `SUMS`. Those of several images add up.

    Raises:
        InputError: if the shapes differ.

    Example:
        ```python
        sums = sum(compare_segments(y, p, len(classes)) for y, p in pairs)
        PanopticScores(sums, classes).statistics()["pq"]
        ```
    """
    if target.shape != predicted.shape:
        raise InputError(
            f"The target is {target.shape} and the prediction {predicted.shape}; bring "
            "the prediction to the target's size first."
        )
    shared, truth, answers = _areas(target, predicted)
    sums = np.zeros((len(SUMS), classes))
    met: set[int] = set()
    matched: set[int] = set()
    for (wanted, found), area in shared.items():
        if not _may_match(wanted, found):
            continue
        void = shared.get((VOID, found), 0)
        share = area / (truth[wanted] + answers[found] - area - void)
        if share > MATCH:
            met.add(found)
            matched.add(wanted)
            sums[:2, wanted // DIVISOR] += share, 1
    for found in answers.keys() - met - {VOID}:
        label = found // DIVISOR
        ignored = shared.get((VOID, found), 0)
        ignored += shared.get((label * DIVISOR + CROWD, found), 0)
        if ignored <= IGNORED * answers[found]:
            sums[2, label] += 1
    for wanted in truth.keys() - matched - {VOID}:
        if not _is_crowd(wanted):
            sums[3, wanted // DIVISOR] += 1
    return sums


Areas = dict[int, int]


def _areas(
    target: np.ndarray, predicted: np.ndarray
) -> tuple[dict[tuple[int, int], int], Areas, Areas]:
    """Pixels by segment of both, by segment of the target, and of the prediction."""
    together = target.astype(np.int64) * (VOID + 1) + predicted
    shared: dict[tuple[int, int], int] = {}
    truth: Areas = {}
    answers: Areas = {}
    for value, area in zip(*np.unique(together, return_counts=True), strict=True):
        wanted, found = divmod(int(value), VOID + 1)
        shared[wanted, found] = int(area)
        truth[wanted] = truth.get(wanted, 0) + int(area)
        answers[found] = answers.get(found, 0) + int(area)
    return shared, truth, answers


def _may_match(wanted: int, found: int) -> bool:
    """Whether a segment can be found by another: both known, of one class, no crowd."""
    known = VOID not in (wanted, found) and not _is_crowd(wanted)
    return known and wanted // DIVISOR == found // DIVISOR


def _is_crowd(value: int) -> bool:
    return value % DIVISOR == CROWD


@dataclass(frozen=True, eq=False)
class PanopticScores:
    """What the sums of all images say.

    Attributes:
        sums: float64 `(4, classes)`, see `compare_segments`.
        classes: what labels mean.

    Example:
        ```python
        scores = PanopticScores(compare_segments(target, found, 3), classes)
        scores.pq, scores.statistics()
        print(scores.table())
        ```
    """

    sums: np.ndarray
    classes: PanopticClasses

    @cached_property
    def pq(self) -> np.ndarray:
        """Panoptic quality of each class, `sq * rq`, in [0, 1]; 0 of absent classes."""
        return self.sums[0] / np.maximum(self._number, 0.5)

    @cached_property
    def sq(self) -> np.ndarray:
        """Segmentation quality: the mean IoU of the segments that are found."""
        return self.sums[0] / np.maximum(self.sums[1], 1)

    @cached_property
    def rq(self) -> np.ndarray:
        """Recognition quality: the F1 score of finding segments."""
        return self.sums[1] / np.maximum(self._number, 0.5)

    @property
    def seen(self) -> np.ndarray:
        """bool: whether a class has any segment, in targets or predictions."""
        return self._number > 0

    def statistics(self) -> dict[str, float]:
        """Means over the classes that are seen: of all, of things and of stuff.

        `pq`, `sq`, `rq`; `pq_things` and so on; `pq_stuff` and so on. 0 where no class
        of that kind is seen.
        """
        things = self.classes.are_things
        kinds = {"": self.seen, "_things": self.seen & things}
        kinds["_stuff"] = self.seen & ~things
        return {
            f"{name}{kind}": float(getattr(self, name)[own].mean())
            if own.any()
            else 0.0
            for kind, own in kinds.items()
            for name in ("pq", "sq", "rq")
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """For each class that is seen what `COLUMNS` name."""
        return [
            (
                name,
                *(float(values[label]) for values in (self.pq, self.sq, self.rq)),
                *map(int, self.sums[1:, label]),
            )
            for label, name in enumerate(self.classes.names)
            if self.seen[label]
        ]

    def by_class(self) -> dict[str, dict[str, float]]:
        """Each class's numbers by their names in `COLUMNS`."""
        columns: Sequence[str] = COLUMNS[1:]
        return {
            name: dict(zip(columns, numbers, strict=True))
            for name, *numbers in self.rows()
        }

    def table(self) -> str:
        """`rows` as text, below a line that names the columns."""
        return text_table(COLUMNS, self.rows())

    @property
    def _number(self) -> np.ndarray:
        """Found segments, and half of the wrong and of the missed ones."""
        return self.sums[1] + 0.5 * self.sums[2] + 0.5 * self.sums[3]
