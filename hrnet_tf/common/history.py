"""A training's history: a row an epoch in `history.csv`, counted from 1."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text
from hrnet_tf.common.text_files import read_rows, read_text

ADVICE = "restore it from a copy, or remove it to go on with a new one"


def read_history(path: str | Path) -> list[dict[str, str]]:
    """The rows of a training's history, as text, by the names of their columns.

    Args:
        path: `history.csv`; runs of before wrote the first epoch as 0, which is read as
            1 with all that follow it.

    Returns:
        A row an epoch; `epoch` is the number of epochs that are done. Other cells hold
        numbers, or nothing where an epoch has none.

    Raises:
        InputError: if the file is damaged; the text names the line.
    """
    path = Path(path)
    if not read_text(path).endswith("\n"):
        raise InputError(f"{path} is damaged: it breaks off; {ADVICE}.")
    try:
        rows = read_rows(path, ["epoch"])
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')}; {ADVICE}.") from None
    for number, row in enumerate(rows, 2):
        for name, cell in row.items():
            if not _is_number(cell, whole=name == "epoch"):
                raise InputError(
                    f"{path} is damaged: line {number} has no number in the column "
                    f"{name}, but {cell!r}; {ADVICE}."
                )
    epochs = [int(row["epoch"]) for row in rows]
    if epochs and epochs != list(range(epochs[0], epochs[0] + len(epochs))):
        raise InputError(
            f"{path} is damaged: its epochs do not follow each other; {ADVICE}."
        )
    offset = 1 if epochs and epochs[0] == 0 else 0
    return [
        {name: "" if cell == "nan" else cell for name, cell in row.items()}
        | {"epoch": str(epoch + offset)}
        for row, epoch in zip(rows, epochs, strict=True)
    ]


def write_history(path: str | Path, rows: Sequence[dict[str, str]]) -> None:
    """Write the rows of a training's history, with the names of columns on top."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _is_number(cell: str, whole: bool) -> bool:
    if whole:
        return cell.isascii() and cell.isdecimal()
    if cell == "":
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return cell == cell.strip() and "_" not in cell
