"""Training steps whose activations are computed twice: their memory and their time.

Networks, batches and what is measured are those of `benchmarks/steps.py`, in processes
of their own that take turns; ours both, with `hrnet_tf.recompute` and without.

`python -m benchmarks.recompute NETWORK SIDE` is the process that is measured.
"""

import sys
from collections.abc import Mapping
from functools import partial

from benchmarks.report import Result
from benchmarks.steps import CASES, OURS, in_turns, measure, medians, printed

KEPT, AGAIN = "kept", "computed twice"
SIDES = (KEPT, AGAIN)
MEASURED = ("pose", "segmentation")
TARGETS: Mapping[str, float] = {"ms": 1 / 1.35, "MB": 1 / 0.6}
TITLES = {"ms": "a step", "MB": "peak memory"}


def run() -> list[Result]:
    """Medians over processes that take turns, for each network."""
    results = []
    for name in MEASURED:
        case = CASES[name]
        found = in_turns(SIDES, partial(_in_process, name))
        for number, (unit, target) in enumerate(TARGETS.items()):
            sides, title = medians(found, number), f"{case.title}: {TITLES[unit]}"
            ratio = sides[KEPT] / sides[AGAIN]
            results.append(Result(title, sides, unit, ratio, target))
    return results


def _in_process(name: str, side: str) -> list[float]:
    return printed([sys.executable, "-m", "benchmarks.recompute", name, side])


if __name__ == "__main__":
    again = sys.argv[2] == AGAIN
    _, *numbers, _ = measure(CASES[sys.argv[1]], OURS, again=again)
    print(*numbers)
