"""Records of TFRecord files, each checked by itself."""

import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import tensorflow as tf

from hrnet_tf.common.errors import InputError

HEADER, FOOTER = 12, 4  # bytes of a length with its checksum, and of another checksum


@dataclass(frozen=True)
class Record:
    """A record, as it lies in its file.

    Attributes:
        content: with its length and checksums.
        damaged: whether the checksums say that it is another than was written.
    """

    content: bytes
    damaged: bool

    def named(
        self,
        usual: str,
        column: str | None,
        images: Sequence[str],
        names: Sequence[str],
    ) -> tuple[str, Any]:
        """Its image.

        Args:
            usual: the name of one that has none.
            column: the feature that holds the encoded image; None: one of `images`.
            images: features that may hold it.
            names: features that may hold its name.

        Returns:
            The name, and what gives the encoded bytes or raises an InputError.
        """
        found, said = self._features()
        name = next((found[x][0].decode() for x in names if found.get(x)), usual)
        wanted = images if column is None else (column,)
        image = next((found[x][0] for x in wanted if found.get(x)), None)

        def encoded() -> bytes:
            if said:
                raise InputError(f"Record {usual} {said}.")
            if image is None:
                raise InputError(
                    f"Record {usual} has no feature {' or '.join(wanted)}, but "
                    f"{', '.join(sorted(found)) or 'none'} (--column)."
                )
            return image

        return name, encoded

    def _features(self) -> tuple[dict[str, Sequence[bytes]], str]:
        """Features of bytes by name, and what is wrong, if anything is."""
        if self.damaged:
            return {}, "is damaged: its checksum is another"
        try:
            example = tf.train.Example.FromString(self.content[HEADER:-FOOTER])
        except Exception:  # protobuf's own kind, which moved between its versions
            return {}, "is no tf.train.Example"
        features = example.features.feature
        return {name: features[name].bytes_list.value for name in features}, ""


def read_records(stream: IO[bytes], start: int, count: int) -> Iterator[Record]:
    """Read records one after the other.

    Args:
        stream: of the file.
        start: where the first one begins.
        count: how many.
    """
    stream.seek(start)
    contents = []
    for _ in range(count):
        header = stream.read(HEADER)
        length = struct.unpack("<Q", header[:8])[0]
        contents.append(header + stream.read(length + FOOTER))
    whole = _intact(contents)
    for content in contents:
        yield Record(content, damaged=not whole and not _intact([content]))


def _intact(contents: Sequence[bytes]) -> bool:
    """Whether all checksums are right: TensorFlow's reader compares them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records.tfrecord")
        path.write_bytes(b"".join(contents))
        try:
            return sum(1 for _ in tf.data.TFRecordDataset(str(path))) == len(contents)
        except tf.errors.DataLossError:
            return False
