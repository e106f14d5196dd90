"""Training steps of whole networks: until the first one, each one, and their memory.

Ours as the constructors make and compile it, with `hrnet_tf.optimizers.Adam`, against
Keras's batch norm and `keras.optimizers.Adam`, on made-up batches. Each is measured in
processes of its own that take turns: CPU seconds from the imported package until the
end of the first step (the network is built in it), the median time of later steps, and
the largest memory. Where the extra `peers` has installed PyTorch, the pose network's
steps stand beside those of PyTorch, channels last (`benchmarks.torch_steps`).

`python -m benchmarks.steps NETWORK SIDE [OPTIMIZER]` is the process that is measured;
classification and segmentation are compiled with SGD, which may be asked for.
"""

import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Result

OURS, THEIRS = "ours", "Keras's optimizer and batch norm"
SIDES = (THEIRS, OURS)
TORCH, TORCH_CASE = "PyTorch, channels last", "pose"
TARGETS = {"CPU s": 4.0, "ms": 1.15, "MB": 1 / 0.7}
TORCH_TARGET = 1.0
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

    @property
    def title(self) -> str:
        """The network and its batch in words."""
        height, width = self.size
        network = f"{self.constructor} W{self.width}"
        return f"{network}, {self.images} of {height}x{width}"


CASES: Mapping[str, Case] = {
    "pose": Case("HRNetV1", 32, 8, (256, 192), (17, 3), 17),
    "classification": Case("HRNetClassifier", 18, 8, (224, 224), (), 1000),
    "segmentation": Case("HRNetV2", 18, 1, (512, 1024), (512, 1024), 19),
}


def run() -> list[Result]:
    """Medians over processes that take turns, for each network."""
    results = []
    with_torch = has_torch()
    if not with_torch:
        print("  without PyTorch beside (pip install 'hrnet-tf[peers]')", flush=True)
    for name, case in CASES.items():
        sides_here = (*SIDES, TORCH) if with_torch and name == TORCH_CASE else SIDES
        found = in_turns(sides_here, partial(_in_process, name))
        if len({process[-1] for each in found.values() for process in each}) > 1:
            raise RuntimeError(f"{name}: the sides are not the same network: {found}")
        for number, (unit, target) in enumerate(TARGETS.items()):
            sides, title = medians(found, number), f"{case.title}: {TITLES[unit]}"
            ratio = sides[THEIRS] / sides[OURS]
            results.append(Result(title, sides, unit, ratio, target))
            if TORCH in sides and unit == "ms":
                ratio = sides[TORCH] / sides[OURS]
                title += ", beside PyTorch"
                both = {side: sides[side] for side in (TORCH, OURS)}
                results.append(Result(title, both, unit, ratio, TORCH_TARGET))
    return results


def in_turns(
    sides: Iterable[str], process: Callable[[str], list[float]]
) -> dict[str, list[list[float]]]:
    """What processes of each side have measured, one side after the other."""
    found: dict[str, list[list[float]]] = {side: [] for side in sides}
    for _ in range(PROCESSES):
        for side, measured in found.items():
            measured.append(process(side))
    return found


def medians(found: dict[str, list[list[float]]], number: int) -> dict[str, float]:
    """Of each side, over its processes, of the number at this place."""
    return {
        side: statistics.median(process[number] for process in processes)
        for side, processes in found.items()
    }


def has_torch() -> bool:
    """Whether the extra `peers` is installed."""
    return importlib.util.find_spec("torch") is not None


def make_network(case: Case, side: str, optimizer: str = "Adam") -> Any:
    """The compiled network of one side, with an optimizer of this name."""
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
    kind = getattr(keras.optimizers if theirs else hrnet_tf.optimizers, optimizer)
    own = network.optimizer
    same = type(own).__name__ == optimizer
    network.optimizer = kind.from_config(own.get_config()) if same else kind()
    return network


def make_step(network: Any, case: Case) -> Callable[[], object]:
    """A training step of a network on a made-up batch."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(case.images, *case.size, 3)).astype(np.float32)
    targets = rng.integers(0, case.classes, (case.images, *case.targets))
    targets = targets.astype(np.float32)
    return lambda: network.train_on_batch(images, targets)


def measure(
    case: Case, side: str, optimizer: str = "Adam", again: bool = False
) -> tuple[float, float, float, int]:
    """CPU seconds until the first step ends, ms a step, MB at most, weights.

    Args:
        case: what is trained.
        side: by what.
        optimizer: its name.
        again: whether activations are computed twice.
    """
    import hrnet_tf

    hrnet_tf.HRNetV1  # noqa: B018, its import does not count
    begin = time.process_time()
    network = make_network(case, side, optimizer)
    if again:
        hrnet_tf.recompute(network)
    step = make_step(network, case)
    step()
    first = time.process_time() - begin
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE / MEGABYTE
    weights = sum(int(np.prod(each.shape)) for each in network.trainable_variables)
    return first, 1000 * statistics.median(times), peak, weights


def torch_case(case: Case) -> str:
    """What `benchmarks.torch_steps` takes."""
    from hrnet_tf.networks.backbone import body

    return json.dumps(
        {
            "body": asdict(body(case.width)),
            "images": case.images,
            "size": case.size,
            "keypoints": case.classes,
        }
    )


def printed(command: Sequence[str]) -> list[float]:
    """The numbers in the last line that a process of this folder prints."""
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def _in_process(name: str, side: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.steps", name, side]
    if side == TORCH:
        command[2:] = ["benchmarks.torch_steps", torch_case(CASES[name])]
    return printed(command)[-4:]


if __name__ == "__main__":
    print(*measure(CASES[sys.argv[1]], *sys.argv[2:]))
