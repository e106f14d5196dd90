"""What is in a data set: counts of samples and labels, and what is broken."""

from dataclasses import dataclass
from typing import Any

from hrnet_tf.data.usable import never_seen

SHOWN = 10  # broken samples in a table


@dataclass(frozen=True)
class Survey:
    """What is in one part of a data set.

    Attributes:
        samples: how many there are, broken ones and files without a partner too.
        what: what is counted, such as `pixels`.
        counts: of each label, in the order of the labels.
        broken: one line for each broken sample or file without a partner.
        notes: what else there is to know, a line each.
        warnings: what is likely to be a mistake, a line each.
    """

    samples: int
    what: str
    counts: dict[str, int]
    broken: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def usable(self) -> int:
        """How many samples something can be done with."""
        return self.samples - len(self.broken)

    def table(self) -> str:
        """Counts as text, with bars."""
        wide = max(len(name) for name in self.counts)
        highest = max(1, *self.counts.values())
        lines = [f"{self.samples} samples, {len(self.broken)} broken; {self.what}:"]
        for name, count in self.counts.items():
            bar = "#" * round(40 * count / highest)
            lines.append(f"  {name:<{wide}} {count:>12} {bar}".rstrip())
        lines += filter(None, [never_seen(self.counts)])
        lines += self.notes
        lines += [f"warning: {line}" for line in self.warnings]
        lines += [f"broken: {line}" for line in self.broken[:SHOWN]]
        if len(self.broken) > SHOWN:
            lines.append(f"and {len(self.broken) - SHOWN} more broken samples")
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "samples": self.samples,
            "counted": self.what,
            "counts": self.counts,
            "broken": list(self.broken),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }
