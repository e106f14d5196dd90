"""What an image file says before it is decoded: its format, its size, how it lies.

Sizes are read here and held against a limit before memory is taken for pixels. The tag
that says how a camera was held (EXIF's orientation) is read here too, for every format
that has one, so that all readers turn images alike.

Sources: the formats' specifications: JPEG (ITU T.81, annex B), PNG
(https://www.w3.org/TR/png-3), WebP (RFC 9649), TIFF 6.0 and BigTIFF, GIF89a, BMP; and
CIPA DC-008 (EXIF), section 4.6.4.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.images.png import SIGNATURE as PNG
from hrnet_tf.images.png import check_chunk, chunks

JPEG = b"\xff\xd8\xff"
NO_IMAGE = "the image cannot be decoded: it is broken, empty or no image"

OTHERS = ("PPM", "JPEG2000", "AVIF")  # names of Pillow's

# TIFF's tags, which EXIF shares.
WIDTH, HEIGHT, BITS, PHOTOMETRIC, TURN, SAMPLES = 256, 257, 258, 262, 274, 277
TILE_WIDTH, TILE_HEIGHT, SAMPLE_FORMAT = 322, 323, 339
MIN_IS_BLACK, PALETTE = 1, 3  # of PHOTOMETRIC
WHOLE = 1  # of SAMPLE_FORMAT

BEGINNING = 2**16  # bytes of a file that mostly say how large its image is


@dataclass(frozen=True)
class Header:
    """What a file says of its image.

    Attributes:
        format: `"JPEG"`, `"PNG"`, `"BMP"`, `"GIF"`, `"WebP"`, `"TIFF"`, or one of
            `OTHERS`.
        height: in pixels as stored.
        width: in pixels as stored.
        turn: EXIF's orientation, 1 (none) to 8.
        tags: of a TIFF file, each with its first value and where that lies.
    """

    format: str
    height: int
    width: int
    turn: int = 1
    tags: dict[int, tuple[int, int]] = field(default_factory=dict)

    def number(self, tag: int) -> int:
        """The value of a TIFF file's tag; 1, TIFF's usual default, if it has none."""
        return self.tags.get(tag, (1, 0))[0]

    def turn_for(self, reading: Reading) -> int:
        """How the pixels are to be turned, 1 (not at all) to 8."""
        return self.turn if reading.orientation == "upright" else 1

    def size_for(self, reading: Reading) -> tuple[int, int]:
        """Height and width of what is read."""
        size = self.height, self.width
        return size[::-1] if self.turn_for(reading) >= 5 else size


def read_header(encoded: bytes, reading: Reading = UPRIGHT) -> Header:
    """Read what an image file says of itself.

    Args:
        encoded: JPEG, PNG, BMP, GIF, WebP, TIFF or one of `OTHERS`, by its content.
        reading: says how large it may be.

    Raises:
        InputError: if it is none of these, its header is broken, or it is too large.

    Example:
        ```python
        header = read_header(Path("photo.jpg").read_bytes())
        header.height, header.width, header.turn  # 3024, 4032, 6
        ```
    """
    known = (read for start, read in _READERS if encoded.startswith(start))
    try:
        header = next(known, _other)(encoded)
    except InputError:
        raise
    except (IndexError, ValueError):
        raise InputError(NO_IMAGE) from None
    tile = header.number(TILE_HEIGHT) * header.number(TILE_WIDTH)
    pixels = header.height * header.width
    if not pixels:
        raise InputError(NO_IMAGE)
    if max(pixels, tile) > reading.pixel_limit:
        raise InputError(
            f"the image has {header.width}x{header.height} pixels (width x height), "
            f"{max(pixels, tile)} in all; up to {reading.pixel_limit} are read "
            "(pixel_limit)"
        )
    return header


def size_of(file: str, reading: Reading) -> tuple[int, int]:
    """Height and width of an image, by what its file says of itself.

    Raises:
        InputError: if that is broken.
    """
    with open(file, "rb") as stream:
        encoded = stream.read(BEGINNING)
        try:
            return read_header(encoded, reading).size_for(reading)
        except InputError:
            encoded += stream.read()
    return read_header(encoded, reading).size_for(reading)


def _jpeg(encoded: bytes) -> Header:
    size, turn = None, None
    for marker, data in _jpeg_segments(encoded):
        if marker == 0xE1 and turn is None and data.startswith(b"Exif\0\0"):
            turn = _turn_of(data[6:])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not size:
            size = _big(data[1:3]), _big(data[3:5])
    height, width = size or (0, 0)
    return Header("JPEG", height, width, turn or 1)


def _jpeg_segments(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment before the pixels."""
    at = 2
    while (at := encoded.find(b"\xff", at)) >= 0:
        while encoded[at] == 0xFF:  # any number of them may come before a marker
            at += 1
        marker = encoded[at]
        at += 1
        if marker in (0xD9, 0xDA):  # the end, or the pixels
            return
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            continue
        length = _big(encoded[at : at + 2])
        yield marker, encoded[at + 2 : at + length]
        at += max(length, 2)


def _png(encoded: bytes) -> Header:
    check_chunk(encoded)  # a damaged one could say any size
    turn = 1
    for kind, data in chunks(encoded):
        if kind == b"eXIf":
            turn = _turn_of(data.removeprefix(b"Exif\0\0"))
            break
    return Header("PNG", _big(encoded[20:24]), _big(encoded[16:20]), turn)


def _bmp(encoded: bytes) -> Header:
    length = _little(encoded[14:18])
    if not 12 <= length <= 124:
        raise ValueError
    if length == 12:  # OS/2's
        return Header("BMP", _little(encoded[20:22]), _little(encoded[18:20]))
    height = int.from_bytes(encoded[22:26], "little", signed=True)  # < 0: top down
    return Header("BMP", abs(height), _little(encoded[18:22]))


def _gif(encoded: bytes) -> Header:
    """The screen, or what the first picture makes of it."""
    width, height, flags = _little(encoded[6:8]), _little(encoded[8:10]), encoded[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while encoded[at] == 0x21:  # an extension, in blocks
        at += 2
        while encoded[at]:
            at += encoded[at] + 1
        at += 1
    if encoded[at] != 0x2C:
        raise ValueError
    left, top, right, below = (
        _little(encoded[at + start : at + start + 2]) for start in (1, 3, 5, 7)
    )
    return Header("GIF", max(height, top + below), max(width, left + right))


def _webp(encoded: bytes) -> Header:
    if encoded[8:12] != b"WEBP":
        raise ValueError
    size, turn, at = None, 1, 12
    while at + 8 <= len(encoded):
        kind, length = encoded[at : at + 4], _little(encoded[at + 4 : at + 8])
        data = encoded[at + 8 : at + 8 + length]
        if kind == b"VP8X":
            size = _little(data[7:10]) + 1, _little(data[4:7]) + 1
        elif kind == b"VP8L" and not size:
            sides = _little(data[1:5])
            size = (sides >> 14 & 0x3FFF) + 1, (sides & 0x3FFF) + 1
        elif kind == b"VP8 " and not size:
            size = _little(data[8:10]) & 0x3FFF, _little(data[6:8]) & 0x3FFF
        elif kind == b"EXIF":
            turn = _turn_of(data.removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    height, width = size or (0, 0)
    return Header("WebP", height, width, turn)


def _tiff(encoded: bytes) -> Header:
    tags = _tags_of(encoded)
    height, width = (tags.get(tag, (0, 0))[0] for tag in (HEIGHT, WIDTH))
    turn = tags.get(TURN, (1, 0))[0]
    return Header("TIFF", height, width, turn if 1 <= turn <= 8 else 1, tags)


def _other(encoded: bytes) -> Header:
    """Less usual formats, by Pillow's parsers: they decode nothing yet."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded), formats=OTHERS) as image:
            return Header(str(image.format), image.height, image.width)
    except Exception as error:  # whatever the parsers stumble over
        raise ValueError from error


_READERS = (
    (JPEG, _jpeg),
    (PNG, _png),
    (b"BM", _bmp),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"II+\0", _tiff),
    (b"MM\0+", _tiff),
)


def _turn_of(block: bytes) -> int:
    """The orientation that EXIF data give; 1 if they give none or are broken."""
    try:
        turn, _ = _tags_of(block)[TURN]
    except (IndexError, ValueError, KeyError):
        return 1
    return turn if 1 <= turn <= 8 else 1


def _tags_of(encoded: bytes) -> dict[int, tuple[int, int]]:
    """First value of each whole-number tag of TIFF's first directory, and its place."""
    orders: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
    if encoded[:2] not in orders:
        raise ValueError
    order = orders[encoded[:2]]

    def number(at: int, size: int) -> int:
        if at + size > len(encoded):
            raise IndexError
        return int.from_bytes(encoded[at : at + size], order)

    wide = number(2, 2) == 43  # BigTIFF: offsets of 64 bits
    start, offset, counts, entry = (8, 8, 8, 20) if wide else (4, 4, 2, 12)
    sizes = {1: 1, 3: 2, 4: 4, 16: 8}  # bytes of each type of whole numbers
    first = number(start, offset)
    tags: dict[int, tuple[int, int]] = {}
    for index in range(number(first, counts)):
        at = first + counts + index * entry
        tag, size = number(at, 2), sizes.get(number(at + 2, 2))
        if size is not None:
            count, place = number(at + 4, offset), at + 4 + offset
            if count * size > offset:  # too much for the entry itself
                place = number(place, offset)
            tags.setdefault(tag, (number(place, size), place))
    return tags


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
