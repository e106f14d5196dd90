"""Training steps whose activations are computed twice: their memory and their time.

Networks, batches and what is measured are those of `benchmarks/steps.py`, in processes
of their own that take turns; ours both, with `hrnet_tf.recompute` and without.

`python -m benchmarks.recompute NETWORK SIDE` is the process that is measured.
"""

import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import Result
from benchmarks.steps import CASES, OURS, measure

KEPT, AGAIN = "kept", "computed twice"
SIDES = (KEPT, AGAIN)
MEASURED = ("pose", "segmentation")
TARGETS: Mapping[str, float] = {"ms": 1 / 1.35, "MB": 1 / 0.6}
TITLES = {"ms": "a step", "MB": "peak memory"}
PROCESSES = 2  # of each side


def run() -> list[Result]:
    """Medians over processes that take turns, for each network."""
    results = []
    for name in MEASURED:
        case = CASES[name]
        found: dict[str, list[list[float]]] = {side: [] for side in SIDES}
        for _ in range(PROCESSES):
            for side in SIDES:
                found[side].append(_in_process(name, side))
        for number, (unit, target) in enumerate(TARGETS.items()):
            sides = {
                side: statistics.median(process[number] for process in processes)
                for side, processes in found.items()
            }
            height, width = case.size
            title = (
                f"{case.constructor} W{case.width}, {case.images} of {height}x{width}: "
                f"{TITLES[unit]}"
            )
            ratio = sides[KEPT] / sides[AGAIN]
            results.append(Result(title, sides, unit, ratio, target))
    return results


def _in_process(name: str, side: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.recompute", name, side]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return [float(number) for number in done.stdout.split()[-2:]]


if __name__ == "__main__":
    again = sys.argv[2] == AGAIN
    _, *numbers, _ = measure(CASES[sys.argv[1]], OURS, again=again)
    print(*numbers)
