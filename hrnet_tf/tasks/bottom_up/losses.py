"""Losses of bottom-up pose: heatmaps where they count, tags that tell people apart."""

from typing import Any, Literal

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.sample_losses import SampleLoss
from hrnet_tf.tasks.bottom_up.targets import draw_heatmaps, tags_of_people

Push = Literal["exp", "max"]


def masked_heatmap_errors(
    target: tf.Tensor, predicted: tf.Tensor, mask: tf.Tensor | None
) -> tf.Tensor:
    """Mean squared error of each image's heatmaps, `(batch,)`.

    Args:
        target: heatmaps, `(batch, height, width, keypoints)`.
        predicted: heatmaps of the same shape.
        mask: `(batch, height, width)`, what each cell counts; None: 1. The mean is over
            all cells, those that do not count too.
    """
    errors = tf.math.squared_difference(target, predicted)
    if mask is not None:
        errors *= tf.cast(mask, errors.dtype)[..., None]
    return tf.reduce_mean(errors, axis=(1, 2, 3))


def pull_and_push(
    tags: tf.Tensor, visible: tf.Tensor, kind: Push = "exp"
) -> tuple[tf.Tensor, tf.Tensor]:
    """How far tags of one person are apart, and how near those of two people are.

    Args:
        tags: float `(batch, people, keypoints)`, of any number of people.
        visible: bool of the same shape, which keypoints count; people without any do
            not.
        kind: how nearness counts: `"exp"`, `exp(-difference**2)`, or `"max"`, `max(0, 1
            - |difference|)`.

    Returns:
        Pull and push, `(batch,)` each: the mean over people of the variance of their
        tags, and half the mean over pairs of people of the nearness of their mean tags;
        0 for fewer people than it takes.

    Source: Newell et al., https://arxiv.org/abs/1611.05424, section 3.2; the official
    HigherHRNet program.
    """
    seen = tf.cast(visible, tags.dtype)
    counts = tf.reduce_sum(seen, axis=-1)
    there = tf.cast(counts > 0, tags.dtype)
    means = tf.math.divide_no_nan(tf.reduce_sum(tags * seen, axis=-1), counts)
    apart = tf.square(tags - means[..., None]) * seen
    variances = tf.math.divide_no_nan(tf.reduce_sum(apart, axis=-1), counts)
    people = tf.reduce_sum(there, axis=-1)
    pull = tf.math.divide_no_nan(tf.reduce_sum(variances, axis=-1), people)

    difference = means[:, :, None] - means[:, None]
    if kind == "exp":
        near = tf.exp(-tf.square(difference))
    else:
        near = tf.maximum(1 - tf.abs(difference), 0)
    pairs = there[:, :, None] * there[:, None]
    # Nobody counts as near to oneself.
    together = tf.reduce_sum(near * pairs, axis=(1, 2)) - people
    push = 0.5 * tf.math.divide_no_nan(together, people * (people - 1))
    return pull, push


@keras.saving.register_keras_serializable("hrnet_tf")
class PeopleLoss(SampleLoss):
    """Compare an answer of `HigherHRNet` with people; targets are drawn in the step.

    Args:
        sigma: standard deviation of the targets' Gaussians, in cells.
        widest: largest standard deviation, where people bring their own.
        heatmaps: weight of the heatmaps' error.
        pull: weight of how far tags of one person are apart.
        push: weight of how near tags of two people are.
        kind: how nearness counts; see `pull_and_push`.

    Call arguments:
        y_true: `(batch, people, keypoints, 3)`: x, y in cells of the answer, and
            visibility (0: not annotated); rows of zeros are nobody, and there may be
            any number of people. A fourth number is a Gaussian's own sigma.
        y_pred: heatmaps, `(batch, height, width, keypoints)`, or heatmaps and then
            tags, `(batch, height, width, 2 * keypoints)`.
        sample_weight: `(batch, height, width)`, what each cell of the heatmaps counts:
            0 where people are not annotated.

    Returns:
        The mean over the batch; by samples, each image's.

    Raises:
        InputError: if a shape does not fit.

    Example:
        ```python
        model = hrnet_tf.HigherHRNet(width=32, keypoints=17)
        loss = {"heatmaps_and_tags": PeopleLoss(), "heatmaps": PeopleLoss()}
        model.compile("adam", loss=loss)
        ```
    """

    def __init__(
        self,
        sigma: float = 2.0,
        widest: float = 0.0,
        heatmaps: float = 1.0,
        pull: float = 0.001,
        push: float = 0.001,
        kind: Push = "exp",
        name: str = "people_loss",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.sigma, self.widest = sigma, widest
        self.heatmaps, self.pull, self.push = heatmaps, pull, push
        self.kind = kind

    def values(self, y_true, y_pred, sample_weight):
        """Losses of the images, `(batch,)`; see the class."""
        count = self._check(y_true, y_pred)
        people, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        size = tuple(y_pred.shape[1:3])
        target = draw_heatmaps(people, size, self.sigma, self.widest)
        drawn = y_pred[..., :count]
        total = self.heatmaps * masked_heatmap_errors(target, drawn, sample_weight)
        if y_pred.shape[-1] == count:
            return total
        tags, visible = tags_of_people(y_pred[..., count:], people)
        pull, push = pull_and_push(tags, visible, self.kind)
        return total + self.pull * pull + self.push * push

    def _check(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> int:
        given, maps = (tf.TensorShape(each.shape) for each in (y_true, y_pred))
        fits = given.rank == 4 and maps.rank == 4 and given[-1] in (3, 4)
        if not fits or maps[-1] not in (given[2], 2 * given[2]):
            raise InputError(
                "The targets of bottom-up pose must be people of shape (batch, people, "
                "keypoints, 3): x, y in cells and visibility; and the answer (batch, "
                "height, width, keypoints) or twice as many channels with tags; got "
                f"{tuple(given)} and {tuple(maps)}."
            )
        return given[2]

    def get_config(self):
        """Arguments of the constructor."""
        names = ("sigma", "widest", "heatmaps", "pull", "push", "kind")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
