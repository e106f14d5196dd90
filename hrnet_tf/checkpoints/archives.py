"""Zip archives in mapped files: entries as views, each compared with its checksum."""

import io
import struct
import zipfile
import zlib
from collections import Counter
from typing import IO, Any, cast

from hrnet_tf.checkpoints import limits

START = b"PK\x03\x04"
HEADER = 30  # bytes before the name of an entry
ENCRYPTED, UNICODE = 1, 0x800  # of an entry's flags


class Archive:
    """The entries of an archive, by name.

    Args:
        content: the file, mapped.

    Raises:
        ValueError, zipfile.BadZipFile: if it is damaged, or its list of entries is
            longer than `limits.ENTRIES`.
    """

    def __init__(self, content: memoryview):
        self.content = content
        with zipfile.ZipFile(cast(IO[bytes], _Listing(content))) as archive:
            entries = archive.infolist()
        counts = Counter(entry.filename for entry in entries)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"it has {limits.brief(twice[0])!r} twice")
        self.entries = {entry.filename: entry for entry in entries}
        self.unread = len(content)
        least, times = limits.UNPACKED
        self.unpackable = least + times * len(content)

    def read(self, name: str) -> memoryview:
        """The bytes of an entry: a view of the file, unless they are compressed.

        Raises:
            KeyError: if there is no such entry.
            ValueError, EOFError, zlib.error: if it is damaged, encrypted, compressed in
                a way that no training program uses, or longer than what is allowed.
        """
        entry = self.entries[name]
        raw = self._stored(entry)
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            raw = self._unpacked(entry, raw)
        elif entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(
                f"{limits.brief(name)} is compressed by method {entry.compress_type}, "
                "only deflate is read"
            )
        if len(raw) != entry.file_size:
            raise EOFError(f"{limits.brief(name)} has not the length that it should")
        # Writers that compute no checksums leave 0.
        if entry.CRC and zlib.crc32(raw) != entry.CRC:
            raise ValueError(f"the bytes of {limits.brief(name)} do not fit their CRC")
        return raw

    def _stored(self, entry: zipfile.ZipInfo) -> memoryview:
        """The bytes of an entry as they lie in the file."""
        start = entry.header_offset
        header = self.content[start : start + HEADER]
        if len(header) < HEADER or header[:4] != START:
            raise ValueError(f"{limits.brief(entry.filename)} is not in its place")
        if entry.flag_bits & ENCRYPTED:
            raise ValueError(f"{limits.brief(entry.filename)} is encrypted")
        name, extra = struct.unpack_from("<HH", header, 26)
        start += HEADER
        coding = "utf-8" if entry.flag_bits & UNICODE else "cp437"
        if self.content[start : start + name] != entry.orig_filename.encode(coding):
            raise ValueError(f"{limits.brief(entry.filename)} has two names")
        start += name + extra
        raw = self.content[start : start + entry.compress_size]
        self.unread -= entry.compress_size
        if len(raw) < entry.compress_size:
            raise EOFError(f"{limits.brief(entry.filename)} ends early")
        if self.unread < 0:
            raise ValueError("its entries lie on top of each other")
        return raw

    def _unpacked(self, entry: zipfile.ZipInfo, raw: memoryview) -> memoryview:
        self.unpackable -= entry.file_size
        if self.unpackable < 0:
            raise ValueError(
                f"{limits.brief(entry.filename)} unpacks to {entry.file_size:,} bytes, "
                f"more than {limits.UNPACKED[1]} times the file"
            )
        machine = zlib.decompressobj(-zlib.MAX_WBITS)
        return memoryview(machine.decompress(raw, entry.file_size + 1))


class MappedFile(io.RawIOBase):
    """A mapped file, or a part of one, for libraries that read files."""

    def __init__(self, content: memoryview):
        super().__init__()
        self.content, self.place = content, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where it is read next."""
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; as for every file."""
        place = offset + (0, self.place, len(self.content))[whence]
        if place < 0:
            raise ValueError("a place before the file's beginning")
        self.place = place
        return place

    def readinto(self, buffer: Any) -> int:
        """Copy the next bytes into a buffer; how many there were."""
        found = self.content[self.place : self.place + len(buffer)]
        memoryview(buffer).cast("B")[: len(found)] = found
        self.place += len(found)
        return len(found)


class _Listing(MappedFile):
    """A mapped file for `zipfile`, which reads nothing of it but the list of entries.

    It reads all of the list at once, as long as the file says that it is.
    """

    def read(self, count: int = -1) -> bytes:
        end = len(self.content) if count < 0 else self.place + count
        found = self.content[self.place : end]
        if len(found) > limits.ENTRIES:
            raise ValueError(
                f"its list of entries takes more than {limits.ENTRIES:,} bytes"
            )
        self.place += len(found)
        return bytes(found)
