"""Encoded images inside graphs: checked by their first bytes, and decoded.

A server answers what anyone sends it. What is no image, or too large, ends in
TensorFlow's InvalidArgument with a sentence, before memory is taken for pixels.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.manifest import Limits
from hrnet_tf.predictors.pose import CHUNK

JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"

# A PNG file's signature and the beginning of its first chunk, which ends with the size.
PNG_HEAD = 24

# How many images of a batch are decoded at once; each takes up to 15 bytes a pixel.
AT_ONCE = 4


def require(condition: tf.Tensor, sentence: str, *values: tf.Tensor) -> Any:
    """An operation that fails with InvalidArgument unless a condition holds.

    Args:
        condition: one boolean.
        sentence: says what is wrong; `{}` for each of the values.
        values: what was found.

    Returns:
        The operation, for `tf.control_dependencies`.

    Example:
        ```python
        with tf.control_dependencies([require(count < 9, "{} are too many.", count)]):
            answer = tf.range(count)
        ```
    """
    text = tf.strings.format(sentence, values)
    return tf.raw_ops.Assert(condition=condition, data=[text])


def image_sizes(image_bytes: tf.Tensor, limits: Limits) -> tf.Tensor:
    """Height and width of encoded images, without decoding them.

    Args:
        image_bytes: JPEG or PNG files, strings `(n,)`.
        limits: what is refused.

    Returns:
        int32 `(n, 2)`. Where it is evaluated, the graph fails with InvalidArgument if
        an image is neither JPEG nor PNG or larger than the limits allow, or there are
        too many.
    """
    count = tf.shape(image_bytes)[0]
    few = require(
        count <= limits.images,
        f"A batch may hold {limits.images} images, got {{}}; send fewer at a time.",
        count,
    )

    def size_of(index: tf.Tensor) -> tf.Tensor:
        size = _size(image_bytes[index], index)
        height, width = size[0], size[1]
        pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
        longest = tf.reduce_max(size)
        fits = (longest <= limits.side) & (pixels <= limits.pixels)
        fine = require(
            fits & (tf.reduce_min(size) > 0),
            f"Image {{}} of the batch has {{}}x{{}} pixels (width x height); up to "
            f"{limits.side} a side and {limits.pixels} in all are taken.",
            *(index, width, height),
        )
        with tf.control_dependencies([fine]):
            return tf.identity(size)

    with tf.control_dependencies([few]):
        numbers = tf.range(count)
    size = tf.TensorSpec((2,), tf.int32)
    return tf.map_fn(size_of, numbers, fn_output_signature=size)


def decode_rgb(content: tf.Tensor) -> tf.Tensor:
    """Decode a JPEG or PNG file as it is stored, no matter what its EXIF tag says.

    Args:
        content: a scalar string; see `image_sizes` for what may be decoded at all.

    Returns:
        uint8 `(height, width, 3)`. Grey becomes three equal colours, transparency is
        dropped, of 16 bits the upper 8 are kept.
    """
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    return tf.ensure_shape(image, (None, None, 3))


def map_flat(
    function: Callable[[tf.Tensor], tf.Tensor],
    numbers: tf.Tensor,
    answer: tf.TensorSpec,
    at_once: int = AT_ONCE,
) -> tf.Tensor:
    """What a function answers for each number, all answers in one row.

    Unlike `tf.map_fn` alone it takes answers of different length, and no numbers too.

    Args:
        function: of a scalar from `numbers`.
        numbers: int32 `(n,)`.
        answer: what it answers, `(any length, ...)`.
        at_once: how many numbers are worked on at the same time.

    Returns:
        Of the answers' type, `(sum of lengths, ...)`.
    """
    ragged = tf.map_fn(
        function,
        numbers,
        fn_output_signature=tf.RaggedTensorSpec(
            answer.shape, answer.dtype, ragged_rank=0
        ),
        parallel_iterations=at_once,
    )
    return tf.reshape(ragged.values, (-1, *answer.shape[1:]))  # of none it is (0,)


def in_parts(answer: Callable, crops: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """What is answered about any number of crops, few of them at a time.

    A network's maps take many times the memory of what it looks at.

    Args:
        answer: float32 `(n, *shape)`, of crops `(n, height, width, 3)`.
        crops: any number of them.
        shape: of what is answered about one.
    """

    def part(first: tf.Tensor) -> tf.Tensor:
        return answer(crops[first : first + CHUNK])

    starts = tf.range(0, tf.shape(crops)[0], CHUNK)
    return map_flat(part, starts, tf.TensorSpec((None, *shape), tf.float32), at_once=1)


def _size(content: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Height and width of a file, int32 `(2,)`."""
    head = tf.strings.substr(content, 0, PNG_HEAD)
    is_jpeg = tf.strings.substr(content, 0, len(JPEG)) == JPEG
    is_png = tf.strings.substr(content, 0, len(PNG)) == PNG
    is_png &= tf.strings.length(head) == PNG_HEAD
    known = require(
        is_jpeg | is_png,
        "Image {} of the batch is neither a JPEG nor a PNG file.",
        index,
    )
    with tf.control_dependencies([known]):
        content = tf.identity(content)
    return tf.cond(
        is_jpeg,
        lambda: tf.io.extract_jpeg_shape(content)[:2],
        lambda: _png_size(content),
    )


def _png_size(content: tf.Tensor) -> tf.Tensor:
    sides = tf.strings.substr(content, PNG_HEAD - 8, 8)
    return tf.io.decode_raw(sides, tf.int32, little_endian=False)[::-1]
