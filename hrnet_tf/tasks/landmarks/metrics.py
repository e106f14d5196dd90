"""How far landmarks are off: normalised errors, failure rates, areas under curves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.networks.targets import check_keypoints
from hrnet_tf.tasks.landmarks.codec import LandmarkCodec
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet

BOUNDS = (0.08, 0.10)  # errors from which on a face has failed


def normalisers(
    points: np.ndarray, landmarks: LandmarkSet, sides: np.ndarray
) -> np.ndarray:
    """What each face's errors are divided by, float64 `(n,)`; NaN: not known.

    Args:
        points: annotated ones, `(n, k, 3)`: x, y in image pixels and weight.
        landmarks: says by which rule.
        sides: `(n,)`, of the faces' boxes, in image pixels.
    """
    if landmarks.ends is None:
        return np.where(sides > 0, sides, np.nan)
    both = points[:, list(landmarks.ends)]
    distances = np.linalg.norm(both[:, 0, :2] - both[:, 1, :2], axis=-1)
    known = (both[..., 2] > 0).all(axis=1) & (distances > 0)
    return np.where(known, distances, np.nan)


def face_errors(
    found: np.ndarray, points: np.ndarray, divisors: np.ndarray
) -> np.ndarray:
    """The normalised mean error of each face, float64 `(n,)`; NaN: cannot be judged.

    Args:
        found: `(n, k, 2)`, x and y in image pixels.
        points: annotated ones, `(n, k, 3)`; those of weight 0 do not count.
        divisors: `(n,)`; see `normalisers`.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 6.
    """
    distances = np.linalg.norm(found - points[..., :2], axis=-1)
    counts = points[..., 2] > 0
    total = np.where(counts, distances, 0).sum(axis=1)
    number = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / number / divisors


def statistics(errors: np.ndarray) -> dict[str, float]:
    """What errors of faces tell, by name.

    Args:
        errors: normalised mean errors, `(n,)`, at least one.

    Returns:
        `NME`, the mean; `FR@0.08` and `FR@0.10`, the shares of faces with a larger
        error; and `AUC@0.08` and `AUC@0.10`, the area under the share of faces with at
        most this error, from 0 to the bound, divided by the bound.
    """
    failures = {f"FR@{bound:.2f}": float((errors > bound).mean()) for bound in BOUNDS}
    areas = {
        f"AUC@{bound:.2f}": float(np.maximum(bound - errors, 0).mean() / bound)
        for bound in BOUNDS
    }
    return {"NME": float(errors.mean()), **failures, **areas}


@dataclass(frozen=True)
class LandmarkScores:
    """Errors of faces, and of the subsets that they belong to.

    Attributes:
        errors: float64 `(n,)`; NaN: not judged.
        subsets: bool `(n,)` by name.
    """

    errors: np.ndarray
    subsets: Mapping[str, np.ndarray]

    def by_subset(self) -> dict[str, np.ndarray]:
        """The errors that count: of all, and of each subset that has some."""
        good = np.isfinite(self.errors)
        found = {"all": self.errors[good]}
        for name, member in self.subsets.items():
            if (member & good).any():
                found[name] = self.errors[member & good]
        return found


@keras.saving.register_keras_serializable("hrnet_tf")
class CellDistance(keras.metrics.Metric):
    """Mean distance of the highest cells from annotated landmarks, in cells.

    Args:
        name: of the metric.

    Example:
        ```python
        metric = CellDistance()
        metric.update_state(landmarks, heatmaps)  # (batch, k, 3) and (batch, h, w, k)
        metric.result()
        ```
    """

    def __init__(self, name: str = "cells_off", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    # Keras 2.15 would convert this, and with it the errors to ones of its own.
    @tf.autograph.experimental.do_not_convert
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch.

        Args:
            y_true: landmarks, `(batch, k, 3)`: x, y in cells, and weight.
            y_pred: heatmaps, `(batch, h, w, k)`.
            sample_weight: what a face counts, `(batch,)`; None: 1.

        Raises:
            InputError: if a shape does not fit.
        """
        check_keypoints(y_true, y_pred)
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        height, width = y_pred.shape[1:3]
        cells, _ = LandmarkCodec(refinement="none").decode(y_pred)
        places = y_true[..., :2]
        limits = tf.constant([width, height], tf.float32)
        drawn = tf.reduce_all((places > -1) & (places < limits), axis=-1)
        counts = tf.cast((y_true[..., 2] > 0) & drawn, self.total.dtype)
        if sample_weight is not None:
            counts *= tf.cast(sample_weight, counts.dtype)[:, None]
        distances = tf.cast(tf.norm(cells - places, axis=-1), counts.dtype)
        self.total.assign_add(tf.reduce_sum(distances * counts))
        self.count.assign_add(tf.reduce_sum(counts))

    def result(self):
        """The mean; 0 before any landmark was seen."""
        return tf.math.divide_no_nan(
            tf.convert_to_tensor(self.total), tf.convert_to_tensor(self.count)
        )

    def reset_state(self):
        """Forget all that was counted."""
        self.total.assign(0.0)
        self.count.assign(0.0)
