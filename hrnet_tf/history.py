"""A training's history: a row an epoch in `history.csv`, counted from 1."""

import csv
from pathlib import Path


def read_history(path: str | Path) -> list[dict[str, str]]:
    """The rows of a training's history, as text, by the names of their columns.

    Args:
        path: `history.csv`; runs of before wrote the first epoch as 0, which is read as
            1 with all that follow it.

    Returns:
        A row an epoch; `epoch` is the number of epochs that are done.
    """
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    offset = 1 if rows and int(rows[0]["epoch"]) == 0 else 0
    return [{**row, "epoch": str(int(row["epoch"]) + offset)} for row in rows]
