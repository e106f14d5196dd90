"""What images there are: folders, lists, Parquet and TFRecord files, in pieces."""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hrnet_tf.bulk.places import explained, file_system, read_bytes, state_of
from hrnet_tf.common.errors import InputError
from hrnet_tf.data.stores import ADDRESS, State, local_path, store_of
from hrnet_tf.images.folders import is_clutter, is_image, walk

PARQUET, TFRECORD, LIST = (".parquet", ".pq"), (".tfrecord", ".tfrecords"), (".txt",)

PARTS = "part-*.parquet"  # names of what `Piece.name` names

# Columns of encoded images, and of names of images, the first that is there.
IMAGES = ("image", "image/encoded", "encoded", "bytes", "image_bytes", "jpeg", "png")
NAMES = ("path", "file_name", "filename", "image/filename", "url", "id", "image_id")

RECORD_HEADER, RECORD_FOOTER = 12, 4  # bytes around a TFRecord's content


@dataclass(frozen=True)
class Piece:
    """Some images of a source, which make one part of the answers.

    Attributes:
        kind: what they lie in.
        file: the Parquet or TFRecord file; of files the folder that paths begin at.
        names: of files: their paths from `file`, or whole ones.
        first: number of the first row or record.
        start: where the first record begins, in bytes.
        count: of the images.
        column: of a Parquet or TFRecord file, that holds the images.
        state: digest of the sizes and times of the files, which changes where they do.
        unasked: how many files have neither in it, since each would have to be asked
            for: those elsewhere that a list names.
    """

    kind: Literal["files", "parquet", "tfrecord"]
    file: str
    names: tuple[str, ...] = ()
    first: int = 0
    start: int = 0
    count: int = 0
    column: str = ""
    state: str = ""
    unasked: int = 0

    def as_json(self) -> str:
        """As text, which `from_json` takes."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Piece":
        """What `as_json` has written."""
        given = json.loads(text)
        return cls(**{**given, "names": tuple(given["names"])})

    def name(self, number: int) -> str:
        """Of the file of its part, the one with this number.

        Another one if the files have changed; but not if they lie elsewhere.
        """
        told = {**asdict(self), "file": Path(self.file).name if not self.names else ""}
        del told["start"], told["unasked"]  # the state says more of them
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        return f"part-{number:06d}-{digest[:8]}.parquet"


def find_pieces(source: str, size: int, column: str | None = None) -> list[Piece]:
    """What a source holds, cut into pieces, always the same way.

    Args:
        source: path or URL of a folder (of images, in it and below, of Parquet or of
            TFRecord files), of a text file with a path or URL a line, of a Parquet or
            TFRecord file, or of an image.
        size: images in a piece.
        column: of Parquet and TFRecord files, that holds encoded images; None: the
            first of `IMAGES` that is there.

    Raises:
        InputError: if there is none, or a file cannot be read.
    """
    root, found = _listed(source)
    if not found:
        raise InputError(
            f"{source}: no image, Parquet or TFRecord file in it; give a folder, a "
            "text file with a path or URL a line, or one of those files."
        )
    listed = root == LISTED
    kinds = {"image" if listed else _kind_of(file.name) for file in found}
    if len(kinds) > 1:
        raise InputError(
            f"{source} holds files of several kinds ({', '.join(sorted(kinds))}); "
            "give a folder with one of them, or a text file that lists the images."
        )
    (kind,) = kinds
    if kind == "image":
        where = _folder_of(source) if listed else root
        return [
            _piece_of_files(where, found, i, size) for i in range(0, len(found), size)
        ]
    cut = _rows if kind == "Parquet" else _records
    pieces = []
    for each in found:
        file = _joined(root, each.name)
        state = digest_of_states([each.state])
        pieces += [replace(x, state=state) for x in cut(file, size, column)]
    return pieces


@dataclass(frozen=True)
class _File:
    """A file by its name, and its state; None: nobody has asked for it."""

    name: str
    state: State | None


def _piece_of_files(
    folder: str, files: Sequence[_File], first: int, size: int
) -> Piece:
    own = files[first : first + size]
    unasked = sum(file.state is None for file in own)
    state = digest_of_states([file.state for file in own])
    names = tuple(file.name for file in own)
    return Piece("files", folder, names, first, 0, len(own), "", state, unasked)


def digest_of_states(states: Sequence[State | None]) -> str:
    """What changes where one of these states does."""
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()[:16]


def _kind_of(name: str) -> str:
    """What a file that is looked at is, in words."""
    if name.lower().endswith(PARQUET):
        return "Parquet"
    return "TFRecord" if is_tfrecord(name) else "image"


LISTED = "\n"  # stands for no folder: names come from a list


def is_tfrecord(name: str) -> bool:
    """Whether a file is a TFRecord file by its name, such as `a.tfrecord-0-of-9`."""
    last = name.lower().rpartition("/")[2]
    return last.endswith(TFRECORD) or ".tfrecord-" in last


def _listed(source: str) -> tuple[str, list[_File]]:
    """Where names begin, and all files in order."""
    path = local_path(source)
    if source.lower().endswith(LIST) and not (path is not None and path.is_dir()):
        with explained(source):
            text = read_bytes(source).decode("utf-8-sig")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        where = _folder_of(source)
        return LISTED, [_File(line, _asked(_joined(where, line))) for line in lines]
    if path is not None:
        if path.is_dir():
            names = [Path(file).relative_to(path).as_posix() for file in walk(path)]
            taken = [name for name in names if _taken(name)]
            files = [_File(name, _asked(str(path / name))) for name in taken]
            return str(path.absolute()), files
        if not path.exists():
            raise InputError(f"There is no such file or folder {source}.")
        own = [_File(path.name, _asked(source))] if _taken(path.name) else []
        return str(path.absolute().parent), own
    head, _, tail = source.rstrip("/").rpartition("/")
    store = store_of(source)
    if _taken(tail) and not (store.listed and store.is_folder(source)):
        return head, [_File(tail, state_of(source))]
    found = store.files(source)
    taken = sorted(name for name in found if _taken(name))
    return source.rstrip("/"), [_File(name, found[name]) for name in taken]


def _asked(place: str) -> State | None:
    """The state of a file that a folder or a list names; of one elsewhere None."""
    if local_path(place) is None:
        return None
    try:
        return state_of(place)
    except InputError:  # what is not there is a row with an error, until it comes
        return None, ""


def _taken(name: str) -> bool:
    """Whether a file is of a kind that is looked at, and no clutter."""
    known = is_image(name) or is_tfrecord(name) or name.lower().endswith(PARQUET)
    return known and not any(is_clutter(part) for part in name.split("/"))


def _folder_of(source: str) -> str:
    """Where relative lines of a list begin."""
    path = local_path(source)
    return source.rpartition("/")[0] if path is None else str(path.absolute().parent)


def _joined(root: str, name: str) -> str:
    """A name from a folder, unless it is a whole one."""
    if ADDRESS.match(name) or Path(name).is_absolute() or not root:
        return name
    return f"{root.rstrip('/')}/{name}"


def _rows(file: str, size: int, column: str | None) -> Iterator[Piece]:
    """Pieces of a Parquet file."""
    from pyarrow import parquet

    system, inner = file_system(file)
    with explained(file), system.open(inner) as stream:
        opened = parquet.ParquetFile(stream)
        count, schema = opened.metadata.num_rows, opened.schema_arrow
    name = _column(schema.names, column, file)
    for first in range(0, count, size):
        yield Piece("parquet", file, (), first, 0, min(size, count - first), name)


def _column(there: Sequence[str], asked: str | None, file: str) -> str:
    """The column that holds images."""
    wanted = IMAGES if asked is None else (asked,)
    found = next((name for name in wanted if name in there), None)
    if found is None:
        raise InputError(
            f"{file} has no column {' or '.join(wanted)}, but {', '.join(there)}; say "
            "which one holds the encoded images (--column)."
        )
    return found


def _records(file: str, size: int, column: str | None) -> Iterator[Piece]:
    """Pieces of a TFRecord file, by the lengths that it states."""
    system, inner = file_system(file)
    starts: list[int] = []
    at = 0
    with explained(file):
        total = system.size(inner)
        with system.open(inner) as stream:
            while at < total:
                stream.seek(at)
                header = stream.read(RECORD_HEADER)
                length = struct.unpack("<Q", header[:8])[0] if len(header) > 8 else -1
                end = at + RECORD_HEADER + length + RECORD_FOOTER
                if length < 0 or end > total:
                    raise InputError(
                        f"{file} is broken or no TFRecord file: record {len(starts)}, "
                        f"at byte {at}, goes beyond its end."
                    )
                starts.append(at)
                at = end
    for first in range(0, len(starts), size):
        count = len(starts[first : first + size])
        yield Piece("tfrecord", file, (), first, starts[first], count, column or "")


def digest_of(pieces: Sequence[Piece]) -> str:
    """What tells sources apart: SHA-256 of all names and counts, but for states."""
    known = (replace(piece, state="") for piece in pieces)
    names = (piece.name(number) for number, piece in enumerate(known))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def encoded_images(piece: Piece) -> Iterator[tuple[str, Any]]:
    """The images of a piece.

    Returns:
        For each its path or name, and what gives its encoded bytes, which may take its
        time and raise an InputError.
    """
    if piece.kind == "files":
        for name in piece.names:
            yield name, _Opener(_joined(piece.file, name))
        return
    yield from _from_parquet(piece) if piece.kind == "parquet" else _from_records(piece)


@dataclass(frozen=True)
class _Opener:
    """Reads a file when it is asked to."""

    place: str

    def __call__(self) -> bytes:
        return read_bytes(self.place)


def _from_parquet(piece: Piece) -> Iterator[tuple[str, Any]]:
    from pyarrow import parquet

    system, inner = file_system(piece.file)
    with explained(piece.file), system.open(inner) as stream:
        opened = parquet.ParquetFile(stream)
        names = next((x for x in NAMES if x in opened.schema_arrow.names), None)
        columns = [piece.column, *([names] if names else [])]
        row, last = 0, piece.first + piece.count
        for group in range(opened.num_row_groups):
            length = opened.metadata.row_group(group).num_rows
            if row < last and row + length > piece.first:
                found = opened.iter_batches(64, [group], columns)
                at = row
                for batch in found:
                    for given in batch.to_pylist():
                        if piece.first <= at < last:
                            yield _named(piece, at, given, names)
                        at += 1
            row += length


def _named(
    piece: Piece, number: int, given: dict[str, Any], names: str | None
) -> tuple[str, Any]:
    """A row's name and what gives its image."""
    image = given[piece.column]
    usual = f"{Path(piece.file).name}#{number}"
    if isinstance(image, dict):  # as `datasets` writes them
        usual = image.get("path") or usual
        image = image.get("bytes")
    told = given.get(names) if names else None
    name = usual if told is None else str(told)

    def encoded() -> bytes:
        if not isinstance(image, bytes):
            raise InputError(f"Image {name}: column {piece.column} holds no bytes.")
        return image

    return name, encoded


def _from_records(piece: Piece) -> Iterator[tuple[str, Any]]:
    from hrnet_tf.bulk.records import read_records

    usual = Path(piece.file).name
    system, inner = file_system(piece.file)
    with explained(piece.file), system.open(inner) as stream:
        for offset, record in enumerate(read_records(stream, piece.start, piece.count)):
            number = f"{usual}#{piece.first + offset}"
            yield record.named(number, piece.column or None, IMAGES, NAMES)
