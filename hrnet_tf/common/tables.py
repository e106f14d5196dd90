"""Numbers as text in columns."""

from collections.abc import Sequence
from typing import Any


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows below a line that names their columns.

    Args:
        columns: names; the first is that of the rows' names.
        rows: a name and numbers each; what is no integer gets four decimals.
    """
    wide = max(len(row[0]) for row in (*rows, columns))
    lines = [f"{columns[0]:<{wide}}" + "".join(f" {name:>9}" for name in columns[1:])]
    for name, *numbers in rows:
        cells = (f" {x:>9}" if isinstance(x, int) else f" {x:>9.4f}" for x in numbers)
        lines.append(f"{name:<{wide}}" + "".join(cells))
    return "\n".join(lines)
