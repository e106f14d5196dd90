"""Padding: what brings images to a size that networks take, and how it is told.

Exported networks take images alone. Their padding is exactly zero after normalising,
which no colour is, since means of channels are no whole numbers.
"""

import tensorflow as tf


def sizes_without_padding(images: tf.Tensor) -> tf.Tensor:
    """How large images are without what is padding.

    Args:
        images: normalised, `(n, height, width, 3)`; rows and columns of zeros at the
            right and at the bottom are padding.

    Returns:
        int32 `(n, 2)`: height and width.
    """
    seen = tf.reduce_any(images != 0, axis=-1)
    shape = tf.shape(images)

    def last(there: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
        numbers = tf.where(there, tf.range(1, side + 1)[None], 0)
        return tf.reduce_max(numbers, axis=1)

    rows, columns = tf.reduce_any(seen, axis=2), tf.reduce_any(seen, axis=1)
    return tf.stack([last(rows, shape[1]), last(columns, shape[2])], axis=-1)


def padded(images: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Normalised images with zeros at the right and at the bottom.

    Args:
        images: `(n, h, w, 3)`.
        size: int32 `(2,)`, height and width to have.
    """
    beyond = size - tf.shape(images)[1:3]
    return tf.pad(images, [[0, 0], [0, beyond[0]], [0, beyond[1]], [0, 0]])
