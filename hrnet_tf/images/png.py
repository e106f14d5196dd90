"""PNG files, chunk by chunk: damage is told by name, and palettes are indices.

OpenCV neither reads nor writes palettes as numbers, and decodes much that is damaged.

Source: https://www.w3.org/TR/png-3/#5Chunk-layout.
"""

import zlib
from collections.abc import Iterator

from hrnet_tf.common.errors import InputError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, INDEXED = 0, 2, 3  # colour types

# Of a header chunk's data: one byte each.
_BITS, _COLOR = 8, 9
# Bits of a value that each colour type may have.
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    INDEXED: (1, 2, 4, 8),
    4: (8, 16),
    6: (8, 16),
}


def kind_of(encoded: bytes) -> tuple[int, int]:
    """Bits of a value and colour type of a PNG file; see `check_chunks`."""
    data = encoded[16:29]
    return data[_BITS], data[_COLOR]


def check_chunks(encoded: bytes) -> None:
    """Raise an InputError that names what is damaged in a PNG file, if anything is.

    Every chunk must be whole, have its checksum, and stand in its place. Pixels are not
    decoded.

    Args:
        encoded: the file.
    """
    start, kinds = len(SIGNATURE), list[bytes]()
    while not kinds or kinds[-1] != b"IEND":
        kind, start = check_chunk(encoded, start)
        kinds.append(kind)
    _check_order(kinds)
    _check_header(encoded)


def check_chunk(encoded: bytes, start: int = len(SIGNATURE)) -> tuple[bytes, int]:
    """Raise an InputError unless a chunk is whole and has its checksum.

    Args:
        encoded: the file.
        start: of the chunk.

    Returns:
        The chunk's kind, and where the next one starts.
    """
    length, kind = _begin_of(encoded, start)
    end = start + 12 + length
    name = _name_of(kind)
    if end > len(encoded):
        what = f"is cut off in its chunk {name}" if kind else "is cut off"
        raise InputError(f"the PNG file {what} at byte {start}")
    found = int.from_bytes(encoded[end - 4 : end], "big")
    if zlib.crc32(encoded[start + 4 : end - 4]) != found:
        raise InputError(
            f"the PNG file is damaged: its chunk {name} at byte {start} does not have "
            "its checksum"
        )
    if start == len(SIGNATURE) and kind != b"IHDR":
        raise InputError("the PNG file is damaged: it does not begin with its IHDR")
    return kind, end


def chunks(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each part of a file, as far as it goes."""
    start = len(SIGNATURE)
    while start + 12 <= len(encoded):
        length, kind = _begin_of(encoded, start)
        yield kind, encoded[start + 8 : start + 8 + length]
        start += 12 + length


def to_grey(encoded: bytes) -> bytes:
    """An indexed PNG file as a grey one of the same numbers.

    Indices beyond the end of the palette are kept: they are what was written.
    """
    kept = [SIGNATURE]
    for kind, data in chunks(encoded):
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
    for kind, data in chunks(encoded):
        if kind == b"IHDR":
            data = _of_color(data, INDEXED)
        made.append(_chunk(kind, data))
        if kind == b"IHDR":
            made.append(_chunk(b"PLTE", palette))
    return b"".join(made)


def _begin_of(encoded: bytes, start: int) -> tuple[int, bytes]:
    """Length of a chunk's data, and its kind."""
    length = int.from_bytes(encoded[start : start + 4], "big")
    return length, encoded[start + 4 : start + 8]


def _name_of(kind: bytes) -> str:
    return kind.decode() if kind.isascii() and kind.isalpha() else repr(kind)


def _check_order(kinds: list[bytes]) -> None:
    """Whether chunks come as often as they may, and in their order."""
    wrong: str | bool = False
    for kind in (b"IHDR", b"PLTE", b"IEND"):
        wrong = wrong or (kinds.count(kind) > 1 and f"has {kind.decode()} twice")
    if b"IDAT" not in kinds:
        wrong = wrong or "has no pixels, no chunk IDAT"
    else:
        first, count = kinds.index(b"IDAT"), kinds.count(b"IDAT")
        together = kinds[first : first + count] == [b"IDAT"] * count
        wrong = wrong or (not together and "has other chunks between its IDAT")
        late = b"PLTE" in kinds[first:] and "has PLTE behind its pixels"
        wrong = wrong or late
    if wrong:
        raise InputError(f"the PNG file is damaged: it {wrong}")


def _check_header(encoded: bytes) -> None:
    """Whether the header says what can be, and fits the palette."""
    parts = dict(chunks(encoded))
    header = parts[b"IHDR"]
    if len(header) != 13 or header[_BITS] not in _DEPTHS.get(header[_COLOR], ()):
        raise InputError(
            "the PNG file is damaged: its chunk IHDR says no bits and colours that go "
            "together"
        )
    indexed, palette = header[_COLOR] == INDEXED, parts.get(b"PLTE")
    if indexed and palette is None:
        raise InputError("the PNG file is damaged: its chunk PLTE is missing")
    if indexed and (len(palette or b"") % 3 or not palette):
        raise InputError(
            "the PNG file is damaged: its chunk PLTE is no list of colours"
        )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


def _of_color(header: bytes, color: int) -> bytes:
    return header[:_COLOR] + bytes([color]) + header[_COLOR + 1 :]
