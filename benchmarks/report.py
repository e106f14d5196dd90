"""Measurements with their targets, and how they are printed."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """Ours and its peer, side by side.

    Attributes:
        title: what was done.
        measured: a number for each side, by its name.
        unit: of these numbers.
        value: what is judged: a ratio, or a difference in `unit`.
        target: the least ratio, or the largest difference.
        is_ratio: which of the two it is.

    Example:
        ```python
        result = Result("adding", {"ours": 2.0, "peer": 3.0}, "ms", 1.5, target=1.35)
        result.verdict()  # "ratio 1.50 (target: at least 1.35)  ok"
        ```
    """

    title: str
    measured: Mapping[str, float]
    unit: str
    value: float
    target: float
    is_ratio: bool = True

    @property
    def ok(self) -> bool:
        """Whether the target is met."""
        if self.is_ratio:
            return self.value >= self.target
        return self.value <= self.target

    def verdict(self) -> str:
        """The judged value with its target beside it."""
        if self.is_ratio:
            line = f"ratio {self.value:.2f} (target: at least {self.target:g})"
        else:
            line = (
                f"difference {self.value:.2f} {self.unit} "
                f"(target: at most {self.target:g} {self.unit})"
            )
        return f"{line}  {'ok' if self.ok else 'missed'}"

    def to_json(self) -> dict[str, Any]:
        """All fields, and whether the target is met."""
        return {**dataclasses.asdict(self), "ok": self.ok}


def table(results: Sequence[Result]) -> str:
    """Each result as a title, one line a side, and the verdict."""
    width = max(len(name) for result in results for name in result.measured)
    lines = []
    for result in results:
        lines.append(f"  {result.title}")
        for name, value in result.measured.items():
            lines.append(f"    {name:{width}} {value:9.2f} {result.unit}")
        lines.append(f"    {result.verdict()}")
    return "\n".join(lines)
