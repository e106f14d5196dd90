"""Images at another size inside graphs: the pixels that OpenCV computes, all of them.

A detector that is served must see what it saw when it was judged: a difference of one
in a few pixels moves a box by some hundredths of a pixel, and changes which of two
equal ones stays.
"""

import tensorflow as tf

BITS = 11  # of the weights, which are whole numbers
ONE = 1 << BITS


def resized_as_opencv(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """`hrnet_tf.images.preprocess.resized` in a graph, equal to the last bit.

    Args:
        image: uint8 `(height, width, channels)`.
        size: int32 `(2,)`, height and width to have.

    Returns:
        uint8 `(*size, channels)`.

    Source: OpenCV's `resize` of bytes with INTER_LINEAR: weights of 11 bits, and sums
    that lose their lowest bits on the way.
    """
    shape = tf.shape(image)
    rows, above, below = _neighbours(shape[0], size[0])
    columns, left, right = _neighbours(shape[1], size[1])
    # Beyond the first and the last column there is nothing to mix with; rows do mix,
    # with themselves, and what their two weights lose in bits is lost.
    inner = tf.cast((columns >= 0) & (columns < shape[1] - 1), tf.int32)
    right *= inner
    left = left * inner + ONE * (1 - inner)
    values = tf.cast(image, tf.int32)

    def column(places: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        places = tf.clip_by_value(places, 0, shape[1] - 1)
        return tf.gather(values, places, axis=1) * weights[:, None]

    wide = tf.bitwise.right_shift(column(columns, left) + column(columns + 1, right), 4)

    def row(places: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        places = tf.clip_by_value(places, 0, shape[0] - 1)
        found = tf.gather(wide, places, axis=0) * weights[:, None, None]
        return tf.bitwise.right_shift(found, 16)

    total = row(rows, above) + row(rows + 1, below)
    return tf.cast(tf.bitwise.right_shift(total + 2, 2), tf.uint8)


def _neighbours(
    given: tf.Tensor, wanted: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Where pixels of a side are taken from: the first of two, and the two weights.

    The first one may be -1, and the second one as large as the side.
    """
    step = 1 / (tf.cast(wanted, tf.float64) / tf.cast(given, tf.float64))
    places = (tf.cast(tf.range(wanted), tf.float64) + 0.5) * step - 0.5
    places = tf.cast(places, tf.float32)
    first = tf.floor(places)
    share = places - first
    weights = [tf.round((1 - share) * ONE), tf.round(share * ONE)]
    before, after = (tf.cast(weight, tf.int32) for weight in weights)
    return tf.cast(first, tf.int32), before, after
