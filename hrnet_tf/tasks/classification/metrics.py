"""How well images are classified: top-1, top-5, confusion matrix, each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.common.text_files import write_rows

COLUMNS = ("class", "images", "precision", "recall", "f1")


class ClassificationScores:
    """Adds up scores batch by batch; holds nothing of a batch.

    Args:
        classes: how many there are.

    Attributes:
        confusion_matrix: float64 `(classes, classes)`, weights of images: rows are true
            classes, columns the predicted ones.

    Example:
        ```python
        scores = ClassificationScores(3)
        scores.update(probabilities, labels)
        scores.statistics()  # {"top1": 0.9, "top5": 1.0, "loss": 0.31}
        ```
    """

    def __init__(self, classes: int):
        self.confusion_matrix = np.zeros((classes, classes))
        self._total = 0.0
        self._among_five = 0.0
        self._loss = 0.0

    def update(
        self,
        probabilities: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> None:
        """Add a batch.

        Args:
            probabilities: `(n, classes)`, 0 to 1.
            labels: integers `(n,)`, the true classes.
            weights: `(n,)`, what each image counts; None: 1.

        Raises:
            ValueError: if the shapes do not agree.
        """
        count, classes = len(labels), len(self.confusion_matrix)
        if probabilities.shape != (count, classes):
            raise ValueError(
                f"`probabilities` must be ({count}, {classes}), got "
                f"{probabilities.shape}."
            )
        weights = np.ones(count) if weights is None else weights.astype(np.float64)
        true = probabilities[np.arange(count), labels].astype(np.float64)
        # Of equal ones the first counts as higher, as for argmax.
        earlier = np.arange(classes) < labels[:, None]
        equal = (probabilities == true[:, None]) & earlier
        rank = ((probabilities > true[:, None]) | equal).sum(axis=1)
        np.add.at(
            self.confusion_matrix, (labels, probabilities.argmax(axis=1)), weights
        )
        self._total += weights.sum()
        self._among_five += weights[rank < 5].sum()
        self._loss -= (weights * np.log(np.maximum(true, 1e-12))).sum()

    def statistics(self) -> dict[str, float]:
        """`top1` and `top5`, shares of the images, and `loss`, their cross-entropy."""
        total = self._total or float("nan")
        return {
            "top1": float(np.trace(self.confusion_matrix) / total),
            "top5": float(self._among_five / total),
            "loss": float(self._loss / total),
        }

    def rows(self, names: Sequence[str]) -> list[tuple[str, int, float, float, float]]:
        """For each class its name, images, precision, recall and their mean, F1.

        What has nothing to be a share of is 0.
        """
        hits = np.diag(self.confusion_matrix)
        true, found = self.confusion_matrix.sum(axis=1), self.confusion_matrix.sum(0)
        precision = hits / np.where(found, found, 1)
        recall = hits / np.where(true, true, 1)
        f1 = 2 * hits / np.where(true + found, true + found, 1)
        columns = (true.astype(int), precision, recall, f1)
        return [
            (name, int(n), float(p), float(r), float(f))
            for name, n, p, r, f in zip(names, *columns, strict=True)
        ]

    def table(self, names: Sequence[str]) -> str:
        """`rows` as text."""
        wide = max(len(name) for name in (*names, COLUMNS[0]))
        head = f"{COLUMNS[0]:<{wide}}" + "".join(f"{name:>11}" for name in COLUMNS[1:])
        return "\n".join(
            [
                head,
                *(
                    f"{name:<{wide}}{images:>11}{precision:>11.3f}{recall:>11.3f}"
                    f"{f1:>11.3f}"
                    for name, images, precision, recall, f1 in self.rows(names)
                ),
            ]
        )

    def write_csv(self, path: str | Path, names: Sequence[str]) -> None:
        """Write `rows` to a file."""
        write_rows(path, [COLUMNS, *self.rows(names)])
