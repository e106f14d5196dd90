"""What a task answers about an image as columns of a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A box and a point with its score, in pixels of the image.
BOX = {"x": "float32", "y": "float32", "width": "float32", "height": "float32"}
POINT = {"x": "float32", "y": "float32", "score": "float32"}


@dataclass(frozen=True)
class Columns:
    """Columns of a task's answers.

    Attributes:
        types: by the names of the columns: `"int32"`, `"int64"`, `"float32"`,
            `"float64"`, `"string"` or `"binary"`; a list with one type for any number
            of values of it; or a mapping of names to types.
        values: of what the task's viewer finds in an image: a value a column; None
            where there is none.

    Example:
        ```python
        Columns({"label": "string"}, lambda found: {"label": found.label})
        ```
    """

    types: Mapping[str, Any]
    values: Callable[[Any], Mapping[str, Any]]


def box_row(box: Sequence[float]) -> dict[str, float]:
    """A box `(4,)` as a value of `BOX`."""
    return dict(zip(BOX, map(float, box), strict=True))


def point_rows(places: Any, scores: Any) -> list[dict[str, float]]:
    """Points `(k, 2)` with scores `(k,)` as values of `POINT`."""
    rows = zip(places.tolist(), scores.tolist(), strict=True)
    return [{"x": x, "y": y, "score": score} for (x, y), score in rows]
