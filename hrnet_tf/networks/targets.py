"""Targets in every shape that Keras knows, and the weights beside them."""

import tensorflow as tf

from hrnet_tf.common.errors import InputError


def label_map(
    y_true: tf.Tensor, classes: int, ignored: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Labels of pixels, which of them count, and which cannot be.

    Args:
        y_true: whole numbers of any type, `(batch, height, width)` or `(batch, height,
            width, 1)`.
        classes: how many there are.
        ignored: the label that does not count.

    Returns:
        Three maps, `(batch, height, width)`: int32 labels, whether they count, and
        whether they are neither `ignored` nor a class. The last are only seen under
        XLA, which checks nothing.

    Raises:
        InputError: if the shape is another one, such as that of one-hot labels.
        tf.errors.InvalidArgumentError: if a label is neither `ignored` nor a class.
    """
    y_true = tf.convert_to_tensor(y_true)
    rank, last = y_true.shape.rank, y_true.shape[-1] if y_true.shape.rank else None
    if rank not in (None, 3, 4) or (rank == 4 and last not in (None, 1)):
        hint = ""
        if rank == 4 and last == classes:
            hint = " These look like one-hot labels: give labels.argmax(-1)."
        raise InputError(
            "Labels of pixels must be whole numbers of shape (batch, height, width) or "
            f"(batch, height, width, 1), got {tuple(y_true.shape)}.{hint}"
        )
    if rank != 3:
        y_true = tf.reshape(y_true, tf.ensure_shape(tf.shape(y_true)[:3], (3,)))
    labels = tf.cast(y_true, tf.int32)
    counts = labels != ignored
    outside = (labels < 0) | (labels >= classes)
    if y_true.dtype.is_floating:
        outside |= tf.cast(labels, y_true.dtype) != y_true
    outside &= counts
    tf.debugging.Assert(
        tf.logical_not(tf.reduce_any(outside)),
        [
            f"Labels of pixels must be whole numbers from 0 to {classes - 1}, or "
            f"{ignored} for pixels that do not count. The lowest and the highest are:",
            tf.reduce_min(y_true),
            tf.reduce_max(y_true),
        ],
    )
    return labels, counts, outside


def number_map(y_true: tf.Tensor, channels: int) -> tf.Tensor:
    """Numbers of pixels, float32 `(batch, height, width, channels)`.

    Args:
        y_true: of this shape; with one channel `(batch, height, width)` too.
        channels: how many numbers a pixel the predictions have.

    Raises:
        InputError: if the shape is another one.
    """
    target = tf.cast(y_true, tf.float32)
    if target.shape.rank == 3:
        target = target[..., None]
    if target.shape.rank not in (None, 4):
        raise InputError(
            "Targets of pixels must be (batch, height, width, channels), or (batch, "
            f"height, width) for one channel, got {tuple(target.shape)}."
        )
    if target.shape.rank is None:
        target = tf.reshape(target, (*tf.unstack(tf.shape(target)[:3], 3), channels))
    if target.shape[-1] not in (None, channels):
        raise InputError(
            f"The predictions have {channels} channels and the targets "
            f"{target.shape[-1]}; the model must have one channel for each number "
            "of a pixel."
        )
    return target


def pixel_weights(sample_weight: tf.Tensor) -> tf.Tensor:
    """Weights of images or of pixels, float32, to multiply with maps.

    Args:
        sample_weight: `(batch,)` or `(batch, 1)`, of each image; or `(batch, height,
            width)` or `(batch, height, width, 1)`, of each pixel of the targets.

    Returns:
        `(batch, 1, 1)` or `(batch, height, width)`.

    Raises:
        InputError: if the shape is another one.
    """
    weights = tf.cast(sample_weight, tf.float32)
    rank = weights.shape.rank
    if rank == 1 or (rank == 2 and weights.shape[-1] == 1):
        return tf.reshape(weights, (-1, 1, 1))
    if rank == 4 and weights.shape[-1] == 1:
        return weights[..., 0]
    if rank != 3:
        raise InputError(
            "`sample_weight` must be (batch,) for images, or (batch, height, width) "
            f"for pixels, got {tuple(weights.shape)}."
        )
    return weights


def check_keypoints(y_true: tf.Tensor, y_pred: tf.Tensor) -> None:
    """Raise an InputError unless these are keypoints, and heatmaps of as many."""
    if tf.TensorShape(y_true.shape).rank is None:
        return
    given, maps = tuple(y_true.shape), tuple(y_pred.shape)
    if len(maps) != 4:
        raise InputError(
            f"Heatmaps must be (batch, height, width, keypoints), got {maps}."
        )
    wanted = (None, maps[-1], 3)
    fits = len(given) == 3 and all(
        None in (have, want) or have == want
        for have, want in zip(given[1:], wanted[1:], strict=True)
    )
    if not fits:
        hint = " Heatmaps are drawn from them inside." if len(given) == 4 else ""
        raise InputError(
            f"The targets of {maps[-1]} heatmaps must be keypoints of shape (batch, "
            f"{maps[-1]}, 3): x, y in pixels of the crop, and weight (0: not "
            f"annotated); got {given}.{hint}"
        )


def keypoint_weights(sample_weight: tf.Tensor, keypoints: int) -> tf.Tensor:
    """Weights of people or of keypoints, float32, to multiply with errors of keypoints.

    Args:
        sample_weight: `(batch,)` or `(batch, 1)`, or `(batch, keypoints)`.
        keypoints: how many there are.

    Returns:
        `(batch, 1)` or `(batch, keypoints)`.

    Raises:
        InputError: if the shape is another one.
    """
    weights = tf.cast(sample_weight, tf.float32)
    if weights.shape.rank == 1:
        return weights[:, None]
    if weights.shape.rank != 2 or weights.shape[-1] not in (1, keypoints):
        raise InputError(
            "`sample_weight` must be (batch,) for people, or (batch, "
            f"{keypoints}) for keypoints, got {tuple(weights.shape)}."
        )
    return weights
