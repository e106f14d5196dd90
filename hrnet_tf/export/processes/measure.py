"""How long an exported network takes and what memory, in a process of its own.

This file needs nothing of hrnet_tf but `runtimes.py` and `process_memory.py` beside
it. Run as a script it
opens an artefact and then answers each line that it reads, a number of calls, with a
line of JSON; an empty line ends it:

    python measure.py ARTEFACT IMAGES.npy THREADS
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import runtimes
from process_memory import peak_memory


def open_run(path: str, threads: int) -> runtimes.Runtime:
    """The Keras model of a run, as `tf.function` has it."""
    import tensorflow as tf

    runtimes.limit_tensorflow(threads)
    from hrnet_tf.training.run import Run

    model = Run.open(path).model()
    graph = tf.function(lambda images: model(images, training=False), autograph=False)

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        found = graph(tf.constant(images))
        answers = found if isinstance(found, dict) else {"answer": found}
        return {name: value.numpy() for name, value in answers.items()}

    return run


def seconds_of(call: Callable[[], object], times: int) -> list[float]:
    """How long each of some calls takes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return taken


def main(path: str, images_file: str, threads: str) -> None:
    """Open an artefact, or a run, and do what is asked for; see the module."""
    images = np.load(images_file)
    start = time.perf_counter()
    if (Path(path) / "config.yaml").is_file():
        network = open_run(path, int(threads))
    else:
        network = runtimes.open_artefact(path, int(threads))
    network(images[:1])
    tell({"load": time.perf_counter() - start})
    network(images)
    while times := sys.stdin.readline().strip():
        single = seconds_of(lambda: network(images[:1]), int(times))
        (batch,) = seconds_of(lambda: network(images), 1)
        tell({"single": single, "batch": batch, "peak": peak_memory()})


def tell(what: dict) -> None:
    """Write a line of JSON at once."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
