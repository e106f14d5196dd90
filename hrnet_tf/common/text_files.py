"""Text files, whatever program wrote them: one reader of names, YAML, JSON and CSV."""

import codecs
import csv
import io
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text

logger = logging.getLogger(__name__)

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MARK = "\ufeff"  # a byte-order mark; in the middle where files were put together


def read_text(path: str | Path, kind: str = "") -> str:
    """Read a text file.

    Args:
        path: UTF-8, with a byte-order mark or without, or UTF-16 with one.
        kind: what the file must be, such as YAML, for errors.

    Returns:
        The text without the mark; lines end in a line feed alone.

    Raises:
        InputError: if there is no such file, or it is in another encoding; the text
            names the file and the line.

    Example:
        ```python
        read_text("classes.txt").split()  # ["daisy", "rose"]
        ```
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; a file is expected there.")
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        return decode_text(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except InputError as error:
        problem = f" is no valid {kind}: " if kind else ": "
        raise InputError(f"{path}{problem}{error}") from None


def decode_text(raw: bytes) -> str:
    """Decode what a text file holds; see `read_text`."""
    encoding = "UTF-16" if raw.startswith(UTF_16) else "UTF-8"
    try:
        text = raw.decode("utf-16" if encoding == "UTF-16" else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"line {line}: byte 0x{raw[error.start]:02x} is no {encoding}; save the "
            "file as UTF-8 (it may be Latin-1 or of Windows)."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"line {line}: holds zeros, so it is no text, or UTF-16 without a "
            "byte-order mark; save the file as UTF-8."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_names(
    path: str | Path, what: str = "class", unique: bool = True
) -> tuple[str, ...]:
    """Read a file that holds a name in each line.

    Args:
        path: see `read_text`; empty lines do not count.
        what: has the names, in a word.
        unique: whether the same name must not be there twice.

    Returns:
        The names, without blanks around them.

    Raises:
        InputError: if there is none, or one is there twice; the text names the lines.
    """
    lines = [line.strip().strip(MARK) for line in read_text(path).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(f"{path}: is empty; it must hold the name of a {what} a line.")
    if "" in lines:
        logger.warning(
            "%s: line %d is empty and does not count", path, lines.index("") + 1
        )
    seen: dict[str, int] = {}
    for number, name in enumerate(lines, 1):
        if unique and name in seen:
            raise InputError(
                f"{path}: line {number}: {name} is there already, in line "
                f"{seen[name]}; each {what} must have a name of its own."
            )
        if name:
            seen[name] = number
    return tuple(filter(None, lines))


def read_json(path: str | Path) -> Any:
    """Read a JSON file; see `read_text`.

    Raises:
        InputError: if it is missing or broken.
    """
    text = read_text(path, "JSON")
    try:
        return json.loads(text)
    except ValueError as error:  # integers of thousands of digits too
        raise InputError(f"{path} is no valid JSON: {error}.") from None
    except RecursionError:
        raise InputError(f"{path} is no valid JSON: it is nested too deeply.") from None


def read_rows(path: str | Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a CSV file with a line of names on top; see `read_text`.

    Args:
        path: the file; empty lines do not count.
        columns: that must be there.

    Returns:
        A row each, by the names of its columns.

    Raises:
        InputError: if a column is missing, or a row has another length.
    """
    reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    rows = []
    try:
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path} has no column {missing[0]!r} in its first line.")
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"{path}: line {reader.line_num}: has another number of columns "
                    "than the first line."
                )
            rows.append(row)
    except csv.Error as error:
        raise InputError(
            f"{path}: line {reader.line_num} is no valid CSV: {error}."
        ) from None
    return rows


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON of plain data; what is not finite becomes null, for which JSON has a word.

    Args:
        value: mappings, sequences, text, numbers.
        indent: blanks a level; None: all in one line.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def write_json(path: str | Path, value: Any, indent: int | None = 2) -> None:
    """Write a JSON file, whole or not at all; see `as_json`."""
    write_text(path, as_json(value, indent) + "\n")


def write_rows(path: str | Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file, whole or not at all; the first row names the columns."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_text(path, text.getvalue())


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value
