"""Encoded images inside graphs: checked by their first bytes, and decoded.

A server answers what anyone sends it. What is no image, or too large, ends in
TensorFlow's InvalidArgument with a sentence, before memory is taken for pixels.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from hrnet_tf.common.reading import Orientation
from hrnet_tf.images.files import JPEG_METHOD
from hrnet_tf.images.header import JPEG, PNG
from hrnet_tf.images.limits import Limits
from hrnet_tf.images.orientation import MOST_PARTS, orientation_of, turned

# A PNG file's signature and the beginning of its first chunk, which ends with the size.
PNG_HEAD = 24

# How many images of a batch are decoded at once; each takes up to 15 bytes a pixel.
AT_ONCE = 4

# The most crops that go through the network at once.
CHUNK = 32


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


class Checked(NamedTuple):
    """Encoded images that may be decoded.

    Attributes:
        contents: the files, strings `(n,)`.
        sizes: height and width as `decode_rgb` gives them, int32 `(n, 2)`.
        turns: EXIF's orientation, 1 (as stored) to 8, int32 `(n,)`.
    """

    contents: tf.Tensor
    sizes: tf.Tensor
    turns: tf.Tensor


def checked_files(
    image_bytes: tf.Tensor, limits: Limits, orientation: Orientation
) -> Checked:
    """Encoded images by what their first bytes say, without decoding them.

    Args:
        image_bytes: JPEG or PNG files, strings `(n,)`.
        limits: what is refused.
        orientation: `"upright"`, turned by their EXIF tag, or `"stored"`.

    Returns:
        The images. Where any of it is evaluated, the graph fails with InvalidArgument
        if an image is neither JPEG nor PNG or larger than the limits allow, or there
        are too many.
    """
    count = tf.shape(image_bytes)[0]
    few = require(
        count <= limits.images,
        f"A batch may hold {limits.images} images, got {{}}; send fewer at a time.",
        count,
    )

    def header_of(index: tf.Tensor) -> tf.Tensor:
        content = image_bytes[index]
        is_jpeg = tf.strings.substr(content, 0, len(JPEG)) == JPEG
        size = _size(content, is_jpeg, index)
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
            content, size = tf.identity(content), tf.identity(size)
        if orientation == "stored":
            return tf.concat([size, [1]], axis=0)
        turn, whole = orientation_of(content, is_jpeg)
        sound = require(
            whole,
            f"Image {{}} of the batch has more than {MOST_PARTS} parts.",
            index,
        )
        with tf.control_dependencies([sound]):
            size = tf.where(turn >= 5, size[::-1], size)
        return tf.concat([size, [turn]], axis=0)

    with tf.control_dependencies([few]):
        numbers = tf.range(count)
    header = tf.TensorSpec((3,), tf.int32)
    headers = tf.map_fn(header_of, numbers, fn_output_signature=header)
    with tf.control_dependencies([headers]):
        contents = tf.identity(image_bytes)
    return Checked(contents, headers[:, :2], headers[:, 2])


def decode_rgb(content: tf.Tensor, turn: tf.Tensor) -> tf.Tensor:
    """Decode a JPEG or PNG file to the pixels that `hrnet_tf.read_image` gives.

    Args:
        content: a scalar string; see `checked_files` for what may be decoded at all.
        turn: how it is turned, 1 (as it is stored) to 8.

    Returns:
        uint8 `(height, width, 3)`. Grey becomes three equal colours, transparency is
        dropped, of 16 bits the upper 8 are kept.
    """
    # It decodes PNG as well.
    image = tf.io.decode_jpeg(content, channels=3, dct_method=JPEG_METHOD)
    return turned(image, turn)


def require_seen(index: tf.Tensor, seen: tf.Tensor, limits: Limits) -> Any:
    """An operation that fails unless an image is looked at in as few pixels as allowed.

    Args:
        index: of the image in its batch.
        seen: height and width in which a network sees it, `(2,)`.
        limits: what is refused.
    """
    seen = tf.cast(seen, tf.int64)
    return require(
        tf.reduce_prod(seen) <= limits.pixels,
        "Image {} of the batch is looked at in {} pixels (height, width); up to "
        f"{limits.pixels} in all are taken.",
        *(index, seen),
    )


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
    return _map_ragged(function, numbers, answer, at_once)[0]


def map_padded(
    function: Callable[[tf.Tensor], tf.Tensor],
    numbers: tf.Tensor,
    answer: tf.TensorSpec,
    at_once: int = AT_ONCE,
) -> tuple[tf.Tensor, tf.Tensor]:
    """What a function answers for each number, padded with zeros, and the lengths.

    Args:
        function: of a scalar from `numbers`.
        numbers: int32 `(n,)`.
        answer: what it answers, `(any length, size)`.
        at_once: how many numbers are worked on at the same time.

    Returns:
        Of the answers' type, `(n, longest, size)`; and int32 `(n,)`.
    """
    values, lengths = _map_ragged(function, numbers, answer, at_once)
    ragged = tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)
    return ragged.to_tensor(), tf.cast(lengths, tf.int32)


def _map_ragged(
    function: Callable[[tf.Tensor], tf.Tensor],
    numbers: tf.Tensor,
    answer: tf.TensorSpec,
    at_once: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """All answers in one row, and the length of each."""
    ragged = tf.map_fn(
        function,
        numbers,
        fn_output_signature=tf.RaggedTensorSpec(
            answer.shape, answer.dtype, ragged_rank=0
        ),
        parallel_iterations=at_once,
    )
    values = tf.reshape(ragged.values, (-1, *answer.shape[1:]))  # of none it is (0,)
    return values, ragged.row_lengths()


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


def _size(content: tf.Tensor, is_jpeg: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Height and width of a file as it is stored, int32 `(2,)`."""
    head = tf.strings.substr(content, 0, PNG_HEAD)
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
