"""A table on the screen, and as a picture."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.plots import draw_costs
from hrnet_tf.paper_tables.counted import lines
from hrnet_tf.paper_tables.measured import measure_lines
from hrnet_tf.paper_tables.rows import UNITS, Row, Table


def shown(
    table: Table,
    rows: Sequence[Row],
    *,
    measure: bool = False,
    size: tuple[int, int] | None = None,
    images: int | None = None,
    picture: str | Path | None = None,
) -> Iterator[str]:
    """A table line by line, each as soon as it is known; then its picture is drawn.

    Args:
        table: from `read_table`.
        rows: some of its rows.
        measure: whether to measure time and memory too.
        size: height and width of what is measured, in place of the table's.
        images: in a training step that is measured, in place of the table's.
        picture: a PNG to write: score against multiply-adds, or, where it is measured,
            against the time of an answer.

    Raises:
        InputError: if a network does not take images of this size, or there is nothing
            to draw.
    """
    costs, cost = {}, "multiply-adds for one image, 10^9"
    for line, counted in lines(table, rows):
        yield line
        if counted:
            costs[counted.row.name] = counted.counts.multiply_adds / UNITS["G"]
    if measure:
        yield ""
        costs, cost = {}, "seconds an image"
        for line, row, answered in measure_lines(table, rows, size, images):
            yield line
            if row and answered and answered.seconds is not None:
                costs[row.name] = answered.seconds / answered.load.images
    if picture:
        panels: dict[str, dict[str, tuple[float, float, bool]]] = {}
        for row in rows:
            if row.name in costs and row.scores[0] != "-":
                point = (costs[row.name], float(row.scores[0]), row.compared)
                panels.setdefault(row.group, {})[row.name] = point
        if not panels:
            raise InputError(f"{picture} is not written: there is nothing to draw.")
        draw_costs(panels, table.title, cost, table.columns[0], picture)
        yield f"written to {picture}"
