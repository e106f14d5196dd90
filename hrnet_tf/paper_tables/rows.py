"""The tables as data: `table_*.yaml` beside this file, a row for each network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from hrnet_tf.common.config import Component
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.name_sets import nearest_name
from hrnet_tf.common.typed_yaml import read_typed

FOLDER = Path(__file__).parent
START = "table_"
# Letters behind numbers, as in `28.5 M`.
UNITS = {"M": 10**6, "Mi": 2**20, "G": 10**9, "Gi": 2**30}

Targets = Literal["keypoints", "pixels", "classes", "boxes", "masks"]


def numbers() -> list[str]:
    """Of the tables that are there, such as `1`."""
    return sorted(path.stem[len(START) :] for path in FOLDER.glob(f"{START}*.yaml"))


@dataclass(frozen=True)
class Load:
    """What a network gets at once while it is measured.

    Attributes:
        images: how many.
        size: height and width of them.
    """

    images: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Measured:
    """How a network is measured.

    Attributes:
        targets: what it learns from.
        training: a step of each device.
        inference: a call.
    """

    targets: Targets
    training: Load
    inference: Load


@dataclass(frozen=True)
class Row:
    """A network of a table, with what the paper prints of it.

    Attributes:
        name: as in the paper.
        network: its public constructor, and what that is given.
        size: height and width of the images that the paper's multiply-adds are for.
        scores: as printed, one for each of the table's columns; `-`: none.
        parameters: as printed, in units of `parameters_unit`; "": not in the paper.
        multiply_adds: likewise, in units of `multiply_adds_unit`.
        parameters_unit: one of `UNITS`.
        multiply_adds_unit: one of `UNITS`.
        without_batch_norm: whether the paper leaves the scale and the shift of batch
            norm out of the parameters.
        transposed_by_outputs: whether it counts transposed convolutions so; see
            `hrnet_tf.networks.counting.Counts`.
        compared: whether it is what the paper compares HRNets with.
        group: of rows whose scores may be compared, where a table has several.
        notes: names of the table's notes that hold here.
        measured: where it is not as the table says.
    """

    name: str
    network: Component
    size: tuple[int, int]
    scores: tuple[str, ...]
    parameters: str = ""
    multiply_adds: str = ""
    parameters_unit: str = "M"
    multiply_adds_unit: str = "Gi"
    without_batch_norm: bool = False
    transposed_by_outputs: bool = False
    compared: bool = False
    group: str = ""
    notes: tuple[str, ...] = ()
    measured: Measured | None = None


@dataclass(frozen=True)
class Table:
    """A table of the papers, as far as its networks are here.

    Attributes:
        title: what it compares.
        source: where its numbers are printed.
        columns: names of the scores; the first one is that of the picture.
        rows: its networks.
        left_out: its rows without a network here, one sentence.
        measured: how its networks are, unless a row says otherwise; None: each row
            does.
        notes: what is counted otherwise than in the paper, by name.

    Raises:
        InputError: if a row does not fit.
    """

    title: str
    source: str
    columns: tuple[str, ...]
    rows: list[Row]
    left_out: str
    measured: Measured | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if len({row.name for row in self.rows}) < len(self.rows):
            raise InputError("`rows` must hold each name once")
        for row in self.rows:
            if len(row.scores) != len(self.columns):
                raise InputError(
                    f"`rows`: {row.name} must have {len(self.columns)} scores, has "
                    f"{len(row.scores)}"
                )
            units = {row.parameters_unit, row.multiply_adds_unit}
            unknown = sorted({*row.notes, *units} - {*self.notes, *UNITS})
            if unknown:
                raise InputError(
                    f"`rows`: {row.name} names {', '.join(unknown)}, which is no unit "
                    "and no note"
                )
            if row.measured is None and self.measured is None:
                raise InputError(f"`rows`: {row.name} does not say how it is measured")

    def how_measured(self, row: Row) -> Measured:
        """How a row is measured."""
        return cast(Measured, row.measured or self.measured)

    def choose(self, names: list[str] | None) -> list[Row]:
        """The rows whose names hold one of these texts; None: all of them.

        Raises:
            InputError: if a text is in no name.
        """
        if names is None:
            return self.rows
        known = [row.name for row in self.rows]
        for text in names:
            if not any(text.lower() in name.lower() for name in known):
                raise InputError(
                    f"The table has no row {text}; did you mean "
                    f"{nearest_name(text, known)}?"
                )
        wanted = [text.lower() for text in names]
        return [
            row for row in self.rows if any(text in row.name.lower() for text in wanted)
        ]


def read_table(number: str) -> Table:
    """A table by its number.

    Example:
        ```python
        read_table("1").rows[0].name  # "SimpleBaseline R152"
        ```
    """
    return read_typed(Table, FOLDER / f"{START}{number}.yaml")
