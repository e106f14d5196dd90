"""PNG files whose values are indices: OpenCV neither reads nor writes palettes.

Source: https://www.w3.org/TR/png-3/#5Chunk-layout.
"""

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, INDEXED = 0, 2, 3  # colour types
HEADER = 33  # bytes up to the end of the header

# Of a header chunk's data: one byte each.
_BITS, _COLOR = 8, 9


def header_of(encoded: bytes) -> tuple[int, int] | None:
    """Bits of a value and colour type of a PNG file; None if it is none."""
    if not encoded.startswith(SIGNATURE) or len(encoded) < HEADER:
        return None
    data = encoded[16:29]
    return data[_BITS], data[_COLOR]


def to_grey(encoded: bytes) -> bytes:
    """An indexed PNG file as a grey one of the same numbers."""
    kept = [SIGNATURE]
    for kind, data in _chunks(encoded):
        if kind == b"IHDR":
            data = _of_color(data, GREY)
        if kind in (b"IHDR", b"IDAT", b"IEND"):
            kept.append(_chunk(kind, data))
    return b"".join(kept)


def to_indexed(encoded: bytes, palette: bytes) -> bytes:
    """A grey PNG file as an indexed one of the same numbers.

    Args:
        encoded: the file, 8 bits a pixel.
        palette: red, green and blue of every number, a byte each.
    """
    made = [SIGNATURE]
    for kind, data in _chunks(encoded):
        if kind == b"IHDR":
            data = _of_color(data, INDEXED)
        made.append(_chunk(kind, data))
        if kind == b"IHDR":
            made.append(_chunk(b"PLTE", palette))
    return b"".join(made)


def _chunks(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each part of a file, as far as it goes."""
    start = len(SIGNATURE)
    while start + 12 <= len(encoded):
        length = int.from_bytes(encoded[start : start + 4], "big")
        yield encoded[start + 4 : start + 8], encoded[start + 8 : start + 8 + length]
        start += 12 + length


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


def _of_color(header: bytes, color: int) -> bytes:
    return header[:_COLOR] + bytes([color]) + header[_COLOR + 1 :]
