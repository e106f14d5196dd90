"""How a camera was held, read off encoded images inside graphs; and images turned.

The rule is that of `hrnet_tf.images.header`: what is broken turns nothing. Most files
have no tag; they cost a look at each segment or chunk before the pixels.

Sources: ITU T.81, annex B (JPEG's segments); https://www.w3.org/TR/png-3 (PNG's
chunks); CIPA DC-008, section 4.6 (EXIF), which is a TIFF 6.0 directory.
"""

from typing import NamedTuple

import tensorflow as tf

from hrnet_tf.images.files import TURNS
from hrnet_tf.images.header import TURN

EXIF = b"Exif\0\0"

# A file with more parts than this before and between its pixels is refused, since
# looking at them one by one would take longer than decoding.
MOST_PARTS = 2**15
# Bytes of a JPEG that are looked at for its next segment, where that is not at hand.
_WINDOW = 64
# Bytes at the end of a PNG in which a tag behind the pixels is searched for; without
# pixels in them the chunks before are large and few.
_TAIL = 2**16
# Entries of a directory; a JPEG's segment has no room for more.
_MOST_ENTRIES = 2**16
# Bytes of TIFF's whole numbers, by their type.
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}


class _Place(NamedTuple):
    """Where a walk through a file's parts has come to.

    Attributes:
        at: the next part's first byte, int32.
        begin: the first byte of EXIF data, 0: none were found yet.
        length: of these data.
        parts: how many were looked at.
    """

    at: tf.Tensor
    begin: tf.Tensor
    length: tf.Tensor
    parts: tf.Tensor

    @classmethod
    def first(cls, at: int) -> "_Place":
        """Nothing has been looked at."""
        return cls(*(tf.constant(number) for number in (at, 0, 0, 0)))


def orientation_of(content: tf.Tensor, is_jpeg: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """EXIF's orientation of an encoded image.

    Args:
        content: a JPEG or PNG file, a scalar string.
        is_jpeg: which of them, one boolean.

    Returns:
        The orientation, 1 (none, or a broken one) to 8, int32; and whether all parts
        that had to be were looked at, boolean, see `MOST_PARTS`.
    """
    place = tf.cond(is_jpeg, lambda: _in_jpeg(content), lambda: _in_png(content))
    turn = tf.cond(
        place.begin > 0,
        lambda: _of_directory(tf.strings.substr(content, place.begin, place.length)),
        lambda: tf.constant(1),
    )
    return turn, place.parts < MOST_PARTS


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


def _in_jpeg(content: tf.Tensor) -> _Place:
    """The first segment named Exif."""
    end = tf.strings.length(content)

    def step(place: _Place, here: tf.Tensor, head: tf.Tensor) -> list[tf.Tensor]:
        """Past a segment with its length at `here`; `head`: its first eight bytes."""
        length = tf.maximum(256 * head[0] + head[1], 2)
        is_exif = tf.reduce_all(head[2:] == tf.constant(list(EXIF)))
        return [here + length, is_exif & (length >= 8), length - 8]

    def look_ahead(place: _Place) -> tf.Tensor:
        return (place.at < end) & (place.begin == 0) & (place.parts < MOST_PARTS)

    def look(place: _Place) -> tuple[_Place]:
        window = tf.strings.substr(content, place.at, _WINDOW)
        window = tf.io.decode_raw(window, tf.uint8)
        size, marks = tf.size(window), tf.cast(window == 0xFF, tf.int32)
        # Anything may come before a marker, and 0xFF any number of times.
        mark_at = tf.argmax(marks, output_type=tf.int32)
        marker_at = tf.argmin(marks, output_type=tf.int32)
        marker = tf.cast(window[marker_at], tf.int32)
        here = tf.minimum(place.at + marker_at + 1, end)
        head = tf.io.decode_raw(tf.strings.substr(content, here, 8), tf.uint8)
        head = tf.pad(tf.cast(head, tf.int32), [[0, 8 - tf.size(head)]])
        beyond, is_exif, length = step(place, here, head)
        is_last = (marker == 0xD9) | (marker == 0xDA)
        is_alone = (marker <= 0x01) | ((marker >= 0xD0) & (marker <= 0xD8))
        at = tf.where(is_last, end, tf.where(is_alone, here, beyond))
        is_filled = place.at + tf.maximum(size - 1, 1)
        at = tf.where(marks[marker_at] == 1, is_filled, at)
        unmarked = place.at + tf.where(mark_at > 0, mark_at, size)
        at = tf.where(marks[0] == 1, at, unmarked)
        found = is_exif & (marks[0] == 1) & (marks[marker_at] == 0) & (marker == 0xE1)
        begin = tf.where(found, here + 8, 0)
        return (_Place(tf.minimum(at, end), begin, length, place.parts + 1),)

    def is_plain(place: _Place, word: tf.Tensor) -> tf.Tensor:
        # Nearly all files have nothing but segments one after the other.
        plain = (word > 0xFF01) & (word < 0xFFFF) & ((word < 0xFFD0) | (word > 0xFFDA))
        return plain & look_ahead(place) & (place.at + 10 <= end)

    def pass_by(place: _Place, word: tf.Tensor) -> tuple[_Place, tf.Tensor]:
        head = tf.io.decode_raw(tf.strings.substr(content, place.at + 2, 8), tf.uint8)
        beyond, is_exif, length = step(place, place.at + 2, tf.cast(head, tf.int32))
        begin = tf.where(is_exif & (word == 0xFFE1), place.at + 10, 0)
        at = tf.minimum(beyond, end)
        return _Place(at, begin, length, place.parts + 1), word_at(at)

    def word_at(at: tf.Tensor) -> tf.Tensor:
        pair = tf.strings.substr(content, tf.minimum(at, end - 2), 2)
        words = tf.io.decode_raw(pair, tf.uint16, little_endian=False)
        return tf.cast(words[0], tf.int32)

    start = _Place.first(len(b"\xff\xd8"))
    place, word = tf.while_loop(
        is_plain, pass_by, (start, word_at(start.at)), parallel_iterations=1
    )
    at_pixels = (place.at < end) & (word == 0xFFDA)
    return tf.cond(
        at_pixels,
        lambda: place,
        lambda: tf.while_loop(look_ahead, look, (place,), parallel_iterations=1)[0],
    )


def _in_png(content: tf.Tensor) -> _Place:
    """The first chunk named eXIf."""
    end = tf.strings.length(content)

    def has(part: tf.Tensor, kind: str) -> tf.Tensor:
        return tf.strings.regex_replace(part, kind, "", replace_global=False) != part

    def more(place: _Place, kind: tf.Tensor) -> tf.Tensor:
        fits = (place.at <= end - 12) & (place.parts < MOST_PARTS)
        return fits & (place.begin == 0)

    def look(place: _Place, kind: tf.Tensor) -> tuple[_Place, tf.Tensor]:
        head = tf.io.decode_raw(tf.strings.substr(content, place.at, 4), tf.uint8)
        places = tf.constant([2**24, 2**16, 2**8, 1], tf.int64)
        length = tf.reduce_sum(tf.cast(head, tf.int64) * places)
        length = tf.cast(tf.minimum(length, tf.cast(end, tf.int64)), tf.int32)
        kind = tf.strings.substr(content, place.at + 4, 4)
        found, at = kind == b"eXIf", tf.minimum(place.at + 12 + length, end)
        begin, length = tf.where(found, place.at + 8, 0), tf.where(found, length, 0)
        return _Place(at, begin, length, place.parts + 1), kind

    def before_pixels(place: _Place, kind: tf.Tensor) -> tf.Tensor:
        return more(place, kind) & (kind != b"IDAT")

    start = _Place.first(8), tf.constant(b"")
    place, kind = tf.while_loop(before_pixels, look, start, parallel_iterations=1)
    tail = tf.strings.substr(content, tf.maximum(end - _TAIL, 0), _TAIL)
    place, _ = tf.cond(
        (place.begin == 0) & (has(tail, "eXIf") | ~has(tail, "IDAT")),
        lambda: tf.while_loop(more, look, (place, kind), parallel_iterations=1),
        lambda: (place, kind),
    )
    data = tf.strings.substr(content, place.begin, place.length)
    named = tf.strings.substr(data, 0, len(EXIF)) == EXIF
    skipped = tf.where((place.begin > 0) & named, len(EXIF), 0)
    return place._replace(begin=place.begin + skipped, length=place.length - skipped)


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
