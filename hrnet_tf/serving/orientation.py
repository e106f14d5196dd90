"""How a camera was held, read off encoded images inside graphs; and images turned.

The rule is that of `hrnet_tf.image_header`: what is broken turns nothing. Most files
have no tag; they cost one search through their bytes.

Sources: ITU T.81, annex B (JPEG's segments); https://www.w3.org/TR/png-3 (PNG's
chunks); CIPA DC-008, section 4.6 (EXIF), which is a TIFF 6.0 directory.
"""

from collections.abc import Callable

import tensorflow as tf

from hrnet_tf.image_files import TURNS
from hrnet_tf.image_header import TURN

EXIF = b"Exif\0\0"

# A file with more parts than this before and between its pixels is refused, since
# looking at them one by one would take longer than decoding.
MOST_PARTS = 2**15
# Bytes of a JPEG that are looked at for its next segment.
_WINDOW = 64
# Entries of a directory; a JPEG's segment has no room for more.
_MOST_ENTRIES = 2**16
# Bytes of TIFF's whole numbers, by their type.
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}


def orientation_of(content: tf.Tensor, is_jpeg: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """EXIF's orientation of an encoded image.

    Args:
        content: a JPEG or PNG file, a scalar string.
        is_jpeg: which of them, one boolean.

    Returns:
        The orientation, 1 (none, or a broken one) to 8, int32; and whether all parts
        that had to be were looked at, boolean, see `MOST_PARTS`.
    """
    nothing = tf.constant(1), tf.constant(True)

    def search(pattern: str, walk: Callable) -> Callable:
        def found() -> tuple[tf.Tensor, ...]:
            # \C is any byte, `.` would be a character.
            there = tf.strings.regex_full_match(content, rf"\C*{pattern}\C*")
            return tf.cond(there, lambda: walk(content), lambda: nothing)

        return found

    return tf.cond(
        is_jpeg,
        search(r"Exif\x00\x00", _of_jpeg),
        search("eXIf", _of_png),
    )


def turned(image: tf.Tensor, turn: tf.Tensor) -> tf.Tensor:
    """Stored pixels as EXIF's orientation shows them.

    Args:
        image: `(height, width, 3)`.
        turn: int32, 1 (as they are) to 8; 5 and more exchange height and width.
    """
    rules = tf.constant([(False,) * 3, *(TURNS[number] for number in range(1, 9))])

    def turn_it() -> tf.Tensor:
        exchanged, rows, columns = tf.unstack(rules[turn])
        order = tf.where(exchanged, [1, 0, 2], [0, 1, 2])
        dims = tf.stack([rows, columns, tf.constant(False)])
        return tf.raw_ops.Reverse(tensor=tf.transpose(image, order), dims=dims)

    upright = tf.cond(turn > 1, turn_it, lambda: image)
    return tf.ensure_shape(upright, (None, None, 3))


def _of_jpeg(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """That of the first segment named Exif."""
    end = tf.strings.length(content)

    def look(at: tf.Tensor, turn: tf.Tensor, parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        window = tf.io.decode_raw(tf.strings.substr(content, at, _WINDOW), tf.uint8)
        size, marks = tf.size(window), tf.cast(window == 0xFF, tf.int32)
        # Anything may come before a marker, and 0xFF any number of times.
        mark_at = tf.argmax(marks, output_type=tf.int32)
        marker_at = tf.argmin(marks, output_type=tf.int32)
        marker = tf.cast(window[marker_at], tf.int32)
        begin = tf.minimum(at + marker_at + 1, end)
        head = tf.io.decode_raw(tf.strings.substr(content, begin, 8), tf.uint8)
        head = tf.pad(tf.cast(head, tf.int32), [[0, 8 - tf.size(head)]])
        length = tf.maximum(256 * head[0] + head[1], 2)
        is_last = (marker == 0xD9) | (marker == 0xDA)
        is_alone = (marker <= 0x01) | ((marker >= 0xD0) & (marker <= 0xD8))
        step = marker_at + 1 + tf.where(is_alone, 0, length)
        step = tf.where(is_last, end, step)
        step = tf.where(marks[marker_at] == 1, tf.maximum(size - 1, 1), step)
        step = tf.where(marks[0] == 1, step, tf.where(mark_at > 0, mark_at, size))
        is_marker = (marks[0] == 1) & (marks[marker_at] == 0)
        is_exif = is_marker & (marker == 0xE1) & (length >= 8)
        is_exif &= tf.reduce_all(head[2:] == tf.constant(list(EXIF)))
        found = tf.cond(
            is_exif,
            lambda: _of_directory(tf.strings.substr(content, begin + 8, length - 8)),
            lambda: tf.constant(0),
        )
        return tf.minimum(at + step, end), found, parts + 1

    def more(at: tf.Tensor, turn: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
        return (at < end) & (turn == 0) & (parts < MOST_PARTS)

    start = tf.constant(len(b"\xff\xd8")), tf.constant(0), tf.constant(0)
    at, turn, _ = tf.while_loop(more, look, start, parallel_iterations=1)
    return tf.maximum(turn, 1), (at == end) | (turn > 0)


def _of_png(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """That of the first chunk named eXIf."""
    end = tf.cast(tf.strings.length(content), tf.int64)

    def look(at: tf.Tensor, turn: tf.Tensor, parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        head = tf.io.decode_raw(tf.strings.substr(content, at, 4), tf.uint8)
        places = tf.constant([2**24, 2**16, 2**8, 1], tf.int64)
        length = tf.reduce_sum(tf.cast(head, tf.int64) * places)

        def of_chunk() -> tf.Tensor:
            data = tf.strings.substr(content, at + 8, length)
            named = tf.strings.substr(data, 0, len(EXIF)) == EXIF
            skipped = tf.where(named, len(EXIF), 0)
            return _of_directory(tf.strings.substr(data, skipped, 2**30))

        is_exif = tf.strings.substr(content, at + 4, 4) == b"eXIf"
        found = tf.cond(is_exif, of_chunk, lambda: tf.constant(0))
        return at + 12 + length, found, parts + 1

    def more(at: tf.Tensor, turn: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
        return (at + 12 <= end) & (turn == 0) & (parts < MOST_PARTS)

    start = tf.constant(8, tf.int64), tf.constant(0), tf.constant(0)
    at, turn, _ = tf.while_loop(more, look, start, parallel_iterations=1)
    return tf.maximum(turn, 1), (at + 12 > end) | (turn > 0)


def _of_directory(block: tf.Tensor) -> tf.Tensor:
    """The orientation that EXIF data give, int32; 1 if they give none or are broken."""
    data = tf.io.decode_raw(block, tf.uint8)
    end = tf.size(data, tf.int64)
    data = tf.concat([data, tf.zeros(1, tf.uint8)], axis=0)  # never empty
    order = tf.strings.substr(block, 0, 2)
    is_little = order == b"II"
    eight = tf.range(8, dtype=tf.int64)

    def read(at: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Numbers of so many bytes, 0 to 8; and whether they lie within the data."""
        inside = (at >= 0) & (at <= end) & (at + size <= end)
        places = tf.clip_by_value(at[..., None] + eight, 0, end)
        digits = tf.cast(tf.gather(data, places), tf.int64)
        digits = tf.where(eight < size[..., None], digits, 0)
        places = tf.where(is_little, eight, size[..., None] - 1 - eight)
        shifted = tf.bitwise.left_shift(digits, 8 * tf.maximum(places, 0))
        return tf.reduce_sum(shifted, axis=-1), inside

    def whole(*numbers: int) -> tf.Tensor:
        return tf.squeeze(tf.constant(numbers, tf.int64))

    two, classic, wide = whole(2), whole(4, 2, 12), whole(8, 8, 20)
    version, sound = read(at=two, size=two)
    # BigTIFF has offsets of 64 bits.
    offset, counts, entry = tf.unstack(tf.where(version == 43, wide, classic))
    first, there = read(offset, offset)
    count, counted = read(first, counts)
    sound &= (is_little | (order == b"MM")) & there & counted
    sound &= (count >= 0) & (count < _MOST_ENTRIES)
    at = first + counts + entry * tf.range(tf.where(sound, count, 0))
    tags, _ = read(at, two)
    kinds, there = read(at + 2, two)
    known = [tf.where(kinds == kind, size, 0) for kind, size in _SIZES.items()]
    sizes = tf.cast(tf.add_n(known), tf.int64)
    # What is too much for the entry itself lies elsewhere.
    here = at + 4 + offset
    repeated, repeats = read(at + 4, offset)
    is_far = (repeated < 0) | (repeated > offset // tf.maximum(sizes, 1))
    far, reached = read(here, offset)
    values, inside = read(tf.where(is_far, far, here), sizes)
    whole_number = repeats & inside & (reached | ~is_far)
    sound &= tf.reduce_all(there & (whole_number | (sizes == 0)))
    turns = tf.boolean_mask(values, (tags == TURN) & (sizes > 0))
    turn = tf.concat([turns, tf.ones(1, tf.int64)], axis=0)[0]
    sound &= (turn >= 1) & (turn <= 8)
    return tf.where(sound, tf.cast(turn, tf.int32), 1)
