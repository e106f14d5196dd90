"""Training steps of whole networks: until the first one, each one, and their memory.

Ours as the constructors make and compile it, against Keras's batch norm and Keras's
optimizer of the same name (Adam for pose, SGD for the others), on made-up batches. Each
is measured in processes of its own that take turns: CPU seconds from the imported
package until the end of the first step (the network is built in it), the median time of
later steps, and the largest memory.

`python -m benchmarks.steps NETWORK SIDE` is the process that is measured.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Result

OURS, THEIRS = "ours", "Keras's optimizer and batch norm"
SIDES = (THEIRS, OURS)
TARGETS = {"CPU s": 4.0, "ms": 1.15, "MB": 1 / 0.7}
TITLES = {"CPU s": "until the first step ends", "ms": "a step", "MB": "peak memory"}
PROCESSES = 2  # of each side
STEPS = 6
KILOBYTE, MEGABYTE = 1024, 1e6


@dataclass(frozen=True)
class Case:
    """A network and its batch.

    Attributes:
        constructor: its name.
        width: channels, as constructors take it.
        images: in a batch.
        size: height and width of them.
        targets: the shape of what a sample has as target.
        classes: of the answer, or keypoints.
    """

    constructor: str
    width: int | str
    images: int
    size: tuple[int, int]
    targets: tuple[int, ...]
    classes: int


CASES: Mapping[str, Case] = {
    "pose": Case("HRNetV1", 32, 8, (256, 192), (17, 3), 17),
    "classification": Case("HRNetClassifier", 18, 8, (224, 224), (), 1000),
    "segmentation": Case("HRNetV2", 18, 1, (512, 1024), (512, 1024), 19),
}


def run() -> list[Result]:
    """Medians over processes that take turns, for each network."""
    results = []
    for name, case in CASES.items():
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
            ratio = sides[THEIRS] / sides[OURS]
            results.append(Result(title, sides, unit, ratio, target))
    return results


def make_network(case: Case, side: str) -> Any:
    """The compiled network of one side."""
    import keras

    import hrnet_tf

    keras.utils.set_random_seed(0)
    theirs = side == THEIRS
    network = getattr(hrnet_tf, case.constructor)(
        case.width,
        case.classes,
        normalization=keras.layers.BatchNormalization if theirs else None,
        input_shape=(*case.size, 3),
    )
    if theirs:
        own = network.optimizer
        kind = getattr(keras.optimizers, type(own).__name__)
        network.optimizer = kind.from_config(own.get_config())
    return network


def make_step(case: Case, side: str) -> Callable[[], object]:
    """A training step of one side on a made-up batch."""
    network = make_network(case, side)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(case.images, *case.size, 3)).astype(np.float32)
    targets = rng.integers(0, case.classes, (case.images, *case.targets))
    targets = targets.astype(np.float32)
    return lambda: network.train_on_batch(images, targets)


def measure(case: Case, side: str) -> tuple[float, float, float]:
    """CPU seconds until the first step ends, milliseconds a step, megabytes at most."""
    import hrnet_tf

    hrnet_tf.HRNetV1  # noqa: B018, its import does not count
    begin = time.process_time()
    step = make_step(case, side)
    step()
    first = time.process_time() - begin
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE / MEGABYTE
    return first, 1000 * statistics.median(times), peak


def _in_process(name: str, side: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.steps", name, side]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return [float(number) for number in done.stdout.split()[-3:]]


if __name__ == "__main__":
    print(*measure(CASES[sys.argv[1]], sys.argv[2]))
