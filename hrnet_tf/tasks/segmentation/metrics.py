"""How well pixels are labelled: IoU and accuracy from one confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.tables import text_table
from hrnet_tf.networks.layers import Upsampling, aligns_corners, resize_like
from hrnet_tf.networks.targets import label_map, pixel_weights

COLUMNS = ("class", "pixels", "IoU", "accuracy")


def confusion_matrix(
    labels: np.ndarray, predicted: np.ndarray, classes: int, ignored: int = 255
) -> np.ndarray:
    """Count pixels by their true and their predicted class.

    Args:
        labels: integers of any shape, the true classes.
        predicted: integers of the same shape.
        classes: how many there are.
        ignored: pixels with this label do not count.

    Returns:
        int64 `(classes, classes)`: rows are true classes, columns the predicted ones.
        Matrices of several images add up.

    Raises:
        InputError: if the shapes differ, or a pixel that counts has no class from 0 to
            `classes - 1`.

    Example:
        ```python
        matrix = sum(confusion_matrix(y, p, 19) for y, p in pairs)
        Scores.from_matrix(matrix, names).mean_iou
        ```
    """
    if labels.shape != predicted.shape:
        raise InputError(
            f"The labels are {labels.shape} and the predictions {predicted.shape}; "
            "bring the predictions to the labels' size first."
        )
    counts = labels != ignored
    true, found = labels[counts].astype(np.int64), predicted[counts].astype(np.int64)
    for name, values in (("labels", true), ("predictions", found)):
        wrong = values[(values < 0) | (values >= classes)]
        if wrong.size:
            raise InputError(
                f"The {name} hold class {wrong[0]}; they must be from 0 to "
                f"{classes - 1}, or {ignored} in the labels for pixels that do not "
                "count."
            )
    cells = np.bincount(true * classes + found, minlength=classes**2)
    return cells.reshape(classes, classes)


@dataclass(frozen=True, eq=False)
class Scores:
    """What a confusion matrix says; a class without any pixel has an IoU of 0.

    Attributes:
        confusion_matrix: `(classes, classes)`, pixels: rows are true classes, columns
            the predicted ones.
        names: of the classes.

    Source: the official HRNet code for semantic segmentation, whose means include
    absent classes.

    Example:
        ```python
        scores = Scores.from_matrix(np.array([[3, 1], [0, 4]]), ("road", "car"))
        scores.mean_iou  # (3 / 4 + 4 / 5) / 2
        print(scores.table())
        ```
    """

    confusion_matrix: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def from_matrix(cls, matrix: np.ndarray, names: Sequence[str]) -> "Scores":
        """Take a matrix and the names of its classes.

        Raises:
            InputError: if the matrix does not have a row and a column for each name.
        """
        matrix, names = np.asarray(matrix), tuple(names)
        if matrix.shape != (len(names), len(names)):
            raise InputError(
                f"The confusion matrix is {matrix.shape}; with {len(names)} names of "
                f"classes it must be {(len(names), len(names))}."
            )
        return cls(matrix, names)

    @cached_property
    def iou(self) -> np.ndarray:
        """Of each class its pixels found, as a share of those true or predicted."""
        union = self._true + self.confusion_matrix.sum(axis=0) - self._found
        return self._found / np.maximum(union, 1)

    @cached_property
    def accuracy(self) -> np.ndarray:
        """Of each class its pixels found, as a share of those true (recall)."""
        return self._found / np.maximum(self._true, 1)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over all classes, in [0, 1]."""
        return float(self.iou.mean())

    @property
    def pixel_accuracy(self) -> float:
        """Share of all pixels whose class is found; 0 without any pixel."""
        return float(self._found.sum() / max(1, self._true.sum()))

    @property
    def mean_accuracy(self) -> float:
        """Mean of `accuracy` over all classes, in [0, 1]."""
        return float(self.accuracy.mean())

    def statistics(self) -> dict[str, float]:
        """`mean_iou`, `pixel_accuracy` and `mean_accuracy`."""
        return {
            "mean_iou": self.mean_iou,
            "pixel_accuracy": self.pixel_accuracy,
            "mean_accuracy": self.mean_accuracy,
        }

    def rows(self) -> list[tuple[str, float, float, float]]:
        """For each class its name, share of all pixels, IoU and accuracy."""
        shares = self._true / max(1, self._true.sum())
        return [
            (name, float(share), float(iou), float(accuracy))
            for name, share, iou, accuracy in zip(
                self.names, shares, self.iou, self.accuracy, strict=True
            )
        ]

    def table(self) -> str:
        """`rows` as text, below a line that names the columns."""
        return text_table(COLUMNS, self.rows())

    @property
    def _found(self) -> np.ndarray:
        return np.diag(self.confusion_matrix)

    @property
    def _true(self) -> np.ndarray:
        return self.confusion_matrix.sum(axis=1)


@keras.saving.register_keras_serializable("hrnet_tf")
class SegmentationScore(keras.metrics.Metric):
    """Mean IoU of logits at the labels' size; holds a confusion matrix, no images.

    Args:
        classes: how many there are; one without any pixel counts as an IoU of 0.
        ignored: the label that does not count.
        upsampling: how logits are brought to the labels' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.

    Attributes:
        confusion_matrix: variable, float64 `(classes, classes)`: rows are true classes,
            columns the predicted ones; for `Scores.from_matrix`.

    Raises:
        InputError: if `upsampling` is neither, or the logits have another number of
            classes.

    Example:
        ```python
        model = hrnet_tf.HRNetV2(width=18, classes=2)
        model.compile("adam", loss=DenseCrossEntropy(), metrics=[SegmentationScore(2)])
        ```
    """

    def __init__(
        self,
        classes: int,
        ignored: int = 255,
        upsampling: Upsampling = "bilinear",
        name: str = "mean_iou",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.ignored = ignored
        self.upsampling = upsampling
        self._align_corners = aligns_corners(upsampling)
        # float64 counts to 2**53; float32 would stop at 2**24, eight street scenes.
        self.confusion_matrix = self.add_weight(
            name="confusion_matrix",
            shape=(classes, classes),
            initializer="zeros",
            dtype="float64",
        )

    # Keras 2.15 would convert this, and with it the errors to ones of its own.
    @tf.autograph.experimental.do_not_convert
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch.

        Args:
            y_true: labels, whole numbers `(batch, height, width)` or `(batch, height,
                width, 1)`.
            y_pred: logits at any size, `(batch, h, w, classes)`.
            sample_weight: what a pixel counts, `(batch,)` by image or `(batch, height,
                width)`; None: 1.

        Raises:
            InputError: if a shape does not fit, such as that of one-hot labels.
            tf.errors.InvalidArgumentError: if a label is neither `ignored` nor a class
                (not under XLA, which checks nothing).
        """
        if y_pred.shape[-1] != self.classes:
            raise InputError(
                f"The logits have {y_pred.shape[-1]} classes, `{self.name}` counts "
                f"{self.classes}; give it the model's number of classes."
            )
        labels, counts, outside = label_map(y_true, self.classes, self.ignored)
        predicted = predicted_labels(y_pred, labels, self._align_corners)
        # What falls into a negative cell is dropped.
        cells = tf.where(counts & ~outside, labels * self.classes + predicted, -1)
        weights = tf.ones_like(cells, tf.float64)
        if sample_weight is not None:
            weights *= tf.cast(pixel_weights(sample_weight), weights.dtype)
        added = tf.math.unsorted_segment_sum(
            tf.reshape(weights, (-1,)), tf.reshape(cells, (-1,)), self.classes**2
        )
        self.confusion_matrix.assign_add(tf.reshape(added, (self.classes,) * 2))

    def result(self):
        """The mean IoU, float32 in [0, 1]; 0 before any pixel was seen."""
        matrix = tf.convert_to_tensor(self.confusion_matrix)
        found = tf.linalg.diag_part(matrix)
        union = tf.reduce_sum(matrix, 0) + tf.reduce_sum(matrix, 1) - found
        return tf.cast(tf.reduce_mean(found / tf.maximum(union, 1.0)), tf.float32)

    def reset_state(self):
        """Forget all that was counted."""
        self.confusion_matrix.assign(tf.zeros((self.classes,) * 2, tf.float64))

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "classes": self.classes,
            "ignored": self.ignored,
            "upsampling": self.upsampling,
        }


@keras.saving.register_keras_serializable("hrnet_tf")
class PixelAccuracy(keras.metrics.Metric):
    """Share of the pixels whose class is found, of logits at the labels' size.

    Args:
        ignored: the label that does not count.
        upsampling: how logits are brought to the labels' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.

    Raises:
        InputError: if `upsampling` is neither.

    Example:
        ```python
        metric = PixelAccuracy()
        metric.update_state(labels, logits)   # (batch, h, w) and (batch, h, w, k)
        metric.result()
        ```
    """

    def __init__(
        self,
        ignored: int = 255,
        upsampling: Upsampling = "bilinear",
        name: str = "pixel_accuracy",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.ignored = ignored
        self.upsampling = upsampling
        self._align_corners = aligns_corners(upsampling)
        # float64 counts to 2**53; float32 would stop at 2**24, eight street scenes.
        self.found, self.counted = (
            self.add_weight(name=name, shape=(), initializer="zeros", dtype="float64")
            for name in ("found", "counted")
        )

    # Keras 2.15 would convert this, and with it the errors to ones of its own.
    @tf.autograph.experimental.do_not_convert
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch; arguments and errors are those of `SegmentationScore`."""
        labels, counts, _ = label_map(y_true, y_pred.shape[-1], self.ignored)
        predicted = predicted_labels(y_pred, labels, self._align_corners)
        weights = tf.cast(counts, tf.float64)
        if sample_weight is not None:
            weights *= tf.cast(pixel_weights(sample_weight), weights.dtype)
        found = tf.cast(predicted == labels, weights.dtype)
        self.found.assign_add(tf.reduce_sum(weights * found))
        self.counted.assign_add(tf.reduce_sum(weights))

    def result(self):
        """The share, float32 in [0, 1]; 0 before any pixel was seen."""
        found, counted = map(tf.convert_to_tensor, (self.found, self.counted))
        return tf.cast(tf.math.divide_no_nan(found, counted), tf.float32)

    def reset_state(self):
        """Forget all that was counted."""
        self.found.assign(tf.zeros((), tf.float64))
        self.counted.assign(tf.zeros((), tf.float64))

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "ignored": self.ignored,
            "upsampling": self.upsampling,
        }


def predicted_labels(
    logits: tf.Tensor, labels: tf.Tensor, align_corners: bool
) -> tf.Tensor:
    """The highest logits' classes, int32, at the size of labels.

    Args:
        logits: at any size, `(batch, h, w, classes)`.
        labels: `(batch, height, width)`.
        align_corners: see `hrnet_tf.networks.layers.resize_bilinear`.
    """
    resized = resize_like(logits, labels, align_corners)
    return tf.argmax(resized, axis=-1, output_type=tf.int32)
