"""Rows of the papers' tables beside what is counted here, as lines of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras

from hrnet_tf.common.components import create
from hrnet_tf.networks.counting import Counts, count
from hrnet_tf.networks.layers import blank_weights
from hrnet_tf.paper_tables.rows import UNITS, Row, Table

LEGEND = "M: 10^6, Mi: 2^20, G: 10^9, Gi: 2^30 (the papers' GFLOPs are multiply-adds)"


@dataclass(frozen=True)
class Counted:
    """A row with what is counted here.

    Attributes:
        row: of the table.
        counts: on the network of this package.
    """

    row: Row
    counts: Counts

    @property
    def parameters(self) -> str:
        """As the paper prints them, with as many decimals."""
        row, found = self.row, self.counts
        number = found.kernels if row.without_batch_norm else found.parameters
        return _printed(number, row.parameters_unit, row.parameters)

    @property
    def multiply_adds(self) -> str:
        """Likewise."""
        row, found = self.row, self.counts
        by_outputs = row.transposed_by_outputs
        number = found.multiply_adds_by_outputs if by_outputs else found.multiply_adds
        return _printed(number, row.multiply_adds_unit, row.multiply_adds)

    @property
    def differs(self) -> bool:
        """Whether the paper prints something else."""
        row = self.row
        here = (self.parameters, self.multiply_adds)
        there = (row.parameters, row.multiply_adds)
        return any(b and a != b for a, b in zip(here, there, strict=True))

    def cells(self, letters: str) -> list[str]:
        """The row's cells, of which the last names notes."""
        row = self.row
        height, width = row.size
        return [
            row.name,
            f"{height}x{width}",
            f"{self.parameters} {row.parameters_unit}",
            row.parameters or "-",
            f"{self.multiply_adds} {row.multiply_adds_unit}",
            row.multiply_adds or "-",
            *row.scores,
            letters,
        ]


def build(row: Row, size: tuple[int, int]) -> keras.Model:
    """The network of a row, for images of a size.

    Raises:
        InputError: if it takes none of this size.
    """
    return create(row.network, row.name, input_shape=(*size, 3))


def count_rows(rows: Sequence[Row]) -> Iterator[Counted]:
    """Rows with what is counted here; a network that is in several is built once."""
    known: dict[str, Counts] = {}
    for row in rows:
        key = f"{row.network} {row.size}"
        if key not in known:
            with blank_weights():
                known[key] = count(build(row, row.size))
            keras.backend.clear_session()
        yield Counted(row, known[key])


def lines(table: Table, rows: Sequence[Row]) -> Iterator[tuple[str, Counted | None]]:
    """A table line by line, each as soon as its row is counted.

    Yields:
        The line, and what it tells of; None: no row.
    """
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    letters = {note: chr(ord("a") + number) for number, note in enumerate(notes)}
    heads = ["network", "pixels", "parameters", "paper", "multiply-adds", "paper"]
    heads += [*table.columns, ""]
    yield table.title, None
    wide = [max(len(head), 6) for head in heads]
    wide[0] = max(len(name) for name in (heads[0], *(row.name for row in rows)))
    wide[1] = 9
    yield _line(heads, wide), None
    for counted in count_rows(rows):
        marks = ",".join(letters[note] for note in counted.row.notes)
        yield _line(counted.cells(marks), wide), counted
    yield LEGEND, None
    for note in notes:
        yield f"{letters[note]}: {table.notes[note]}", None
    yield f"Source: {table.source}", None
    yield f"Left out, for there is no such network here: {table.left_out}", None


def _line(cells: Sequence[str], wide: Sequence[int]) -> str:
    first, *others = zip(cells, wide, strict=True)
    text = f"{first[0]:<{first[1]}}" + "".join(f"  {x:>{w}}" for x, w in others)
    return text.rstrip()


def _printed(number: int, unit: str, like: str) -> str:
    """A number in a unit, with the decimals of another one; one, if there is none."""
    decimals = len(like.partition(".")[2]) if like else 1
    return f"{number / UNITS[unit]:.{decimals}f}"
