"""How well numbers of pixels are found: errors and R2 from a few sums."""

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
from hrnet_tf.networks.targets import number_map, pixel_weights

# What is summed over the numbers that count, a row each.
SUMS = (
    "pixels",
    "absolute errors",
    "squared errors",
    "targets",
    "squared targets",
    "positive targets",
    "relative errors",  # of positive targets
    "close answers",  # likewise, and within `FACTOR` of them
)
FACTOR = 1.25
# What rounding leaves of a variance of 0, as a share of the squares.
ROUNDING = 1e-12

COLUMNS = ("channel", "pixels", "MAE", "RMSE", "R2", "relative", "delta1")


def error_sums(
    targets: tf.Tensor, predicted: tf.Tensor, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """Sum what the scores of some images are made of.

    Args:
        targets: float `(..., channels)`; NaN does not count.
        predicted: float of the same shape.
        weights: what a number counts, of a shape that fits; None: 1.

    Returns:
        float64 `(8, channels)`: the rows of `SUMS`. Those of several images add up.

    Raises:
        InputError: if the shapes differ.

    Example:
        ```python
        sums = sum(error_sums(depth, found) for depth, found in pairs)
        RegressionScores.from_sums(sums, ["depth"]).r2
        ```
    """
    if not targets.shape.is_compatible_with(predicted.shape):
        raise InputError(
            f"The targets are {targets.shape} and the predictions {predicted.shape}; "
            "bring the predictions to the targets' size first."
        )
    known = ~tf.math.is_nan(targets)
    target = tf.where(known, tf.cast(targets, tf.float64), 0.0)
    error = tf.where(known, tf.cast(predicted, tf.float64) - target, 0.0)
    positive = target > 0
    relative = error / tf.where(positive, target, 1.0)
    # Within the factor of each other, whichever is larger.
    close = positive & (1 + relative < FACTOR) & (1 + relative > 1 / FACTOR)
    rows = (
        known,
        tf.abs(error),
        tf.square(error),
        target,
        tf.square(target),
        positive,
        tf.where(positive, tf.abs(relative), 0.0),
        close,
    )
    weights = 1.0 if weights is None else tf.cast(weights, tf.float64)
    axes = list(range(len(targets.shape) - 1))
    return tf.stack(
        [tf.reduce_sum(tf.cast(row, tf.float64) * weights, axes) for row in rows]
    )


def determination(sums: tf.Tensor) -> tf.Tensor:
    """R2 of each channel, from `error_sums`: 1 is perfect, 0 no better than the mean.

    Args:
        sums: float64 `(8, channels)`.

    Returns:
        float64 `(channels,)`, 1 at most. Where targets do not vary, 1 if they are all
        met and 0 if not; 0 before any number was seen.
    """
    count, _, errors, total, squares, *_ = tf.unstack(sums)
    spread = squares - tf.math.divide_no_nan(tf.square(total), count)
    varies = spread > ROUNDING * squares
    met = tf.where((count > 0) & (errors <= 0), tf.ones_like(errors), 0.0)
    return tf.where(varies, 1 - errors / tf.where(varies, spread, 1.0), met)


@dataclass(frozen=True, eq=False)
class RegressionScores:
    """What sums of errors say about each channel.

    Attributes:
        sums: float64 `(8, channels)`, see `error_sums`.
        names: of the channels.

    Source: relative error and delta1: Eigen et al., https://arxiv.org/abs/1406.2283,
    table 1.

    Example:
        ```python
        scores = RegressionScores.from_sums(error_sums(depth, found), ["depth"])
        scores.mae, scores.r2  # (channels,)
        print(scores.table())
        ```
    """

    sums: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def from_sums(cls, sums: Any, names: Sequence[str]) -> "RegressionScores":
        """Take sums and the names of their channels.

        Raises:
            InputError: if there is no column for each name.
        """
        sums, names = np.asarray(sums), tuple(names)
        if sums.shape != (len(SUMS), len(names)):
            raise InputError(
                f"The sums are {sums.shape}; with {len(names)} channels they must be "
                f"{(len(SUMS), len(names))}."
            )
        return cls(sums, names)

    @cached_property
    def mae(self) -> np.ndarray:
        """Mean absolute error of each channel, in its unit."""
        return self._mean("absolute errors")

    @cached_property
    def rmse(self) -> np.ndarray:
        """Root mean squared error of each channel, in its unit."""
        return np.sqrt(self._mean("squared errors"))

    @cached_property
    def r2(self) -> np.ndarray:
        """Coefficient of determination of each channel; see `determination`."""
        return determination(tf.constant(self.sums, tf.float64)).numpy()

    @cached_property
    def relative_error(self) -> np.ndarray:
        """Mean of error / target; NaN for a channel that has targets up to 0."""
        return np.where(self._positive, self._mean("relative errors"), np.nan)

    @cached_property
    def delta1(self) -> np.ndarray:
        """Share within a factor of 1.25; NaN for a channel that has targets up to 0."""
        return np.where(self._positive, self._mean("close answers"), np.nan)

    def statistics(self) -> dict[str, float]:
        """Means over channels: `r2`, `mae` and `rmse`; `relative_error` and `delta1`.

        The last two are there where all targets are positive.
        """
        names = ["r2", "mae", "rmse"]
        if self._positive.all():
            names += ["relative_error", "delta1"]
        return {name: float(getattr(self, name).mean()) for name in names}

    def by_channel(self) -> dict[str, dict[str, float]]:
        """Each channel's numbers by their names in `COLUMNS`, without those not known.

        NaN is left out: it has no place in a JSON file.
        """
        return {
            name: {
                column: number
                for column, number in zip(COLUMNS[1:], numbers, strict=True)
                if np.isfinite(number)
            }
            for name, *numbers in self.rows()
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """For each channel what `COLUMNS` name."""
        columns = (self.mae, self.rmse, self.r2, self.relative_error, self.delta1)
        return [
            (name, int(self.sums[0, index]), *(float(c[index]) for c in columns))
            for index, name in enumerate(self.names)
        ]

    def table(self) -> str:
        """`rows` as text, below a line that names the columns."""
        return text_table(COLUMNS, self.rows())

    @property
    def _positive(self) -> np.ndarray:
        return self.sums[SUMS.index("positive targets")] == self.sums[0]

    def _mean(self, row: str) -> np.ndarray:
        return self.sums[SUMS.index(row)] / np.maximum(self.sums[0], 1)


@keras.saving.register_keras_serializable("hrnet_tf")
class RegressionScore(keras.metrics.Metric):
    """Mean R2 of all channels at the targets' size; holds a few sums, no images.

    Args:
        channels: how many there are.
        upsampling: how predictions are brought to the targets' size: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.

    Attributes:
        sums: variable, float64 `(8, channels)`; for `RegressionScores.from_sums`.

    Raises:
        InputError: if `upsampling` is neither, or the predictions have another number
            of channels.

    Example:
        ```python
        model = hrnet_tf.HRNetV2(width=18, classes=1)
        model.compile("adam", loss=DenseRegression(), metrics=[RegressionScore()])
        ```
    """

    def __init__(
        self,
        channels: int = 1,
        upsampling: Upsampling = "bilinear",
        name: str = "r2",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.channels = channels
        self.upsampling = upsampling
        self._align_corners = aligns_corners(upsampling)
        # float32 would stop counting at 2**24 pixels.
        self.sums = self.add_weight(
            name="sums",
            shape=(len(SUMS), channels),
            initializer="zeros",
            dtype="float64",
        )

    # Keras 2.15 would convert this, and with it the errors to ones of its own.
    @tf.autograph.experimental.do_not_convert
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch.

        Args:
            y_true: float `(batch, height, width, channels)`, or `(batch, height,
                width)` for one channel; NaN does not count.
            y_pred: float at any size, `(batch, h, w, channels)`.
            sample_weight: what a pixel counts, `(batch,)` by image or `(batch, height,
                width)`; None: 1.

        Raises:
            InputError: if a shape does not fit, or the predictions have another number
                of channels.
        """
        if y_pred.shape[-1] != self.channels:
            raise InputError(
                f"The predictions have {y_pred.shape[-1]} channels, `{self.name}` "
                f"counts {self.channels}; give it the model's number of channels."
            )
        targets = number_map(y_true, self.channels)
        predicted = resize_like(y_pred, targets, self._align_corners)
        if sample_weight is not None:
            sample_weight = pixel_weights(sample_weight)[..., None]
        self.sums.assign_add(error_sums(targets, predicted, sample_weight))

    def result(self):
        """The mean R2, float32, 1 at most; 0 before any pixel was seen."""
        r2 = determination(tf.convert_to_tensor(self.sums))
        return tf.cast(tf.reduce_mean(r2), tf.float32)

    def reset_state(self):
        """Forget all that was counted."""
        self.sums.assign(tf.zeros((len(SUMS), self.channels), tf.float64))

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "channels": self.channels,
            "upsampling": self.upsampling,
        }
