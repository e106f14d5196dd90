"""Memory of a process that answers (W32), and CPU seconds to a first answer (W48).

A SavedModel with its weights as variables (`hrnet-tf export --weights variables`)
answers beside one with constants and beside onnxruntime, each in a fresh process that
knows nothing of hrnet_tf. The memory is the largest that the process ever had, the
seconds are those of all threads from opening the file; imports do not count for them.
Latencies are measured in turns, one process after the other.

`python -m benchmarks.memory FILE HEIGHT WIDTH` is one such process.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from benchmarks.report import Result

ROOT = Path(__file__).parents[1]
PROCESSES = ROOT / "hrnet_tf" / "export" / "processes"
OURS, CONSTANTS, PEER = "variables", "constants", "onnxruntime"
SMALL, LARGE = (32, (256, 192)), (48, (384, 288))
MEMORY = 1200.0  # megabytes
LATENCY = 0.95  # of the time with constants
FIRST = 3.0  # times fewer CPU seconds than with constants
ROUNDS = 60


def run() -> list[Result]:
    """Memory, latency, and the cost of the first answer."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        files = write(Path(folder), *SMALL)
        open_ones = {
            name: stack.enter_context(answering(path, SMALL[1]))
            for name, path in files.items()
        }
        times: dict[str, list[float]] = {name: [] for name in open_ones}
        ours_first = [OURS, CONSTANTS, PEER]
        for turn in range(ROUNDS):
            # Neither of ours is always the one behind onnxruntime.
            for name in ours_first if turn % 2 else [CONSTANTS, OURS, PEER]:
                times[name].append(1000 * ask(open_ones[name])["seconds"])
            time.sleep(0.1)  # its threads spin for a while
        peaks = {name: ask(process)["peak"] for name, process in open_ones.items()}
    median = {name: statistics.median(own) for name, own in times.items()}
    first = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write(Path(folder), *LARGE).items():
            with answering(path, LARGE[1]) as process:
                first[name] = ask(process)["first"]
    small, large = (f"W{w} {h}x{b}" for w, (h, b) in (SMALL, LARGE))
    return [
        Result(f"memory, {small}", peaks, "MB", peaks[OURS], MEMORY, False),
        Result(
            f"one crop, {small}",
            median,
            "ms",
            median[CONSTANTS] / median[OURS],
            LATENCY,
        ),
        Result(
            f"first answer, {large}",
            first,
            "CPU s",
            first[CONSTANTS] / first[OURS],
            FIRST,
        ),
    ]


def write(folder: Path, width: int, size: tuple[int, int]) -> dict[str, Path]:
    """The files that answer, by name; they are written in a process of its own."""
    code = (
        "import sys; from benchmarks.memory import write_here; "
        "write_here(sys.argv[1], *map(int, sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, str(folder), *map(str, (width, *size))]
    subprocess.run(command, cwd=ROOT, check=True)
    return {
        OURS: folder / OURS,
        CONSTANTS: folder / CONSTANTS,
        PEER: folder / "model.onnx",
    }


def write_here(folder: str, width: int, height: int, breadth: int) -> None:
    """Write a network as both kinds of SavedModels and as ONNX."""
    from benchmarks.network import make_manifest, make_network
    from hrnet_tf.export.onnx import write_onnx
    from hrnet_tf.export.options import Options
    from hrnet_tf.export.savedmodel import write_savedmodel

    size = height, breadth
    model, manifest = make_network(width, size), make_manifest(width, size)
    write_savedmodel(model, manifest, Path(folder, OURS), Options(weights="variables"))
    write_savedmodel(model, manifest, Path(folder, CONSTANTS), Options())
    write_onnx(model, manifest, Path(folder, "model.onnx"), Options())


@contextlib.contextmanager
def answering(path: Path, size: tuple[int, int]) -> Iterator[subprocess.Popen]:
    """A process that has given its first answer."""
    sys.path.insert(0, str(PROCESSES))
    try:
        from runtimes import FROZEN_WEIGHTS
    finally:
        sys.path.remove(str(PROCESSES))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.memory", str(path), *map(str, size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, **FROZEN_WEIGHTS, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        ask(process)
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen) -> dict[str, float]:
    """Have it answer once: `seconds` of that, `first` CPU seconds, `peak` megabytes."""
    questions, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    questions.write("once\n")
    questions.flush()
    line = answers.readline()
    if not line:
        raise RuntimeError(f"{process.args} ended with status {process.wait()}")
    return json.loads(line)


def main(path: str, height: str, width: str) -> None:
    """Open a file, and answer once for each line that is read."""
    sys.path.insert(0, str(PROCESSES))
    import numpy as np
    import runtimes
    from process_memory import peak_memory

    if Path(path).is_dir():
        import tensorflow  # noqa: F401  (what is imported is not measured)
    else:
        import onnxruntime  # noqa: F401
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, int(height), int(width), 3)).astype(np.float32)
    before = time.process_time()
    network = runtimes.open_artefact(path)
    network(image)
    first = time.process_time() - before
    for _ in sys.stdin:
        start = time.perf_counter()
        network(image)
        seconds = time.perf_counter() - start
        told = {"seconds": seconds, "first": first, "peak": peak_memory() / 1e6}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
