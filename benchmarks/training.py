"""Training steps of a narrow network: batch norm, and threads of an operation.

The network is that of `configs/segmentation/demo.yaml`, on 8 crops of 128 pixels. First
our batch norm against Keras's, in one process and in turns; then one thread an
operation against all of them, in processes of their own that take turns, since threads
cannot be changed once TensorFlow has computed something.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
from benchmarks.report import Result
from hrnet_tf.common.latency import median_latency

TARGETS = {"batch norm": 1.05, "threads": 1.1}
ROUNDS = 30
PROCESSES = 3  # of each number of threads
CROPS = (8, 128, 128)


def run() -> list[Result]:
    """Median times of a step."""
    norms = median_latency(
        {
            "Keras's batch norm": make_step(keras.layers.BatchNormalization),
            "ours": make_step(None),
        },
        ROUNDS,
    )
    one, every = "one thread an operation", "all threads"
    found: dict[str, list[float]] = {every: [], one: []}
    for _ in range(PROCESSES):
        for name, threads in ((every, 0), (one, 1)):
            found[name].append(_in_process(threads))
    threads = {name: statistics.median(times) for name, times in found.items()}
    return [
        _result("batch norm", norms, norms["Keras's batch norm"] / norms["ours"]),
        _result("threads", threads, threads[every] / threads[one]),
    ]


def make_step(normalization: Any) -> Callable[[], object]:
    """A training step on made-up crops; `normalization` as `HRNetV2` takes it."""
    keras.utils.set_random_seed(0)
    network = hrnet_tf.HRNetV2(
        "18_small_v1",
        classes=4,
        blocks=1,
        stem=((32, 2), (32, 2)),
        features=64,
        normalization=normalization,
        input_shape=(*CROPS[1:], 3),
    )
    rng = np.random.default_rng(0)
    images = rng.normal(size=(*CROPS, 3)).astype(np.float32)
    labels = rng.integers(0, 4, CROPS)
    return lambda: network.train_on_batch(images, labels)


def _in_process(threads: int) -> float:
    command = [sys.executable, "-m", "benchmarks.training", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _result(title: str, times: dict[str, float], ratio: float) -> Result:
    return Result(title, times, "ms", ratio, TARGETS[title])


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    print(*median_latency({"step": make_step(None)}, ROUNDS).values())
