"""Training steps of detectors: how long they take, and how much memory.

Time: the narrow body of `configs/detection/demo.yaml` on four images of 256x256 pixels.
Nearly all of a step is convolutions of the pyramid and on it, so narrow heads, which
learn from few regions, are measured beside the published ones, in turns.

Memory: Faster R-CNN W18 as published on two images of 512x512 pixels, in a process of
its own. Its peak is stated; a target holds it to what it is.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import hrnet_tf
from benchmarks.report import Result
from hrnet_tf.common.latency import median_latency
from hrnet_tf.export.processes.process_memory import begin_anew, peak_memory

IMAGES, SIZE, OBJECTS, CLASSES = 4, (256, 256), 6, 3
BODY: Mapping[str, Any] = {
    "width": "18_small_v1",
    "blocks": 1,
    "stem": ((32, 2), (32, 2)),
}
NARROW: Mapping[str, Any] = {
    "features": 64,
    "hidden": 256,
    "learning": {"before": 300, "proposals": 200, "anchors": 64, "regions": 64},
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "Faster": {},
    "Mask": {"masks": True},
    "Cascade": {"cascade": True},
}
TARGET = 4.0  # times faster with narrow heads
ROUNDS = 5
MEMORY_SIZE = (512, 512)
MEMORY_IMAGES, MEMORY_STEPS = 2, 3
MEMORY_TARGET = 6000.0
MEGABYTE = 1e6


def run() -> list[Result]:
    """Median times of a step, and the largest memory."""
    return [times(), memory()]


def times() -> Result:
    """Steps with narrow heads beside those with the published ones."""
    published = "Faster, published heads"
    steps = {
        name: make_step({**BODY, **NARROW, **kind}) for name, kind in KINDS.items()
    }
    steps[published] = make_step(BODY)
    found = median_latency(steps, ROUNDS)
    height, width = SIZE
    return Result(
        f"training steps of narrow detectors, {IMAGES} images of {height}x{width}",
        found,
        "ms",
        found[published] / found["Faster"],
        TARGET,
    )


def make_step(
    arguments: Mapping[str, Any],
    images: int = IMAGES,
    size: tuple[int, int] = SIZE,
    classes: int = CLASSES,
) -> Callable[[], object]:
    """A training step on made-up images, each with some objects.

    Args:
        arguments: of `HRNetDetector`.
        images: how many.
        size: their height and width.
        classes: of objects.
    """
    keras.utils.set_random_seed(0)
    network = hrnet_tf.HRNetDetector(classes=classes, **arguments)
    network.optimizer.learning_rate = 0.0  # so that all steps have the same to do
    rng = np.random.default_rng(0)
    begin = rng.uniform(0, 0.6, (images, OBJECTS, 2)) * size[::-1]
    sides = rng.uniform(0.1, 0.4, (images, OBJECTS, 2)) * size[::-1]
    boxes = np.concatenate([begin, begin + sides], axis=-1).astype(np.float32)
    targets = {
        "boxes": boxes,
        "labels": rng.integers(0, classes, (images, OBJECTS), np.int32),
    }
    if arguments.get("masks"):
        targets["masks"] = np.zeros((images, OBJECTS, *size), np.uint8)
        for masks, own in zip(targets["masks"], boxes.astype(int), strict=True):
            for mask, (left, top, right, bottom) in zip(masks, own, strict=True):
                mask[top:bottom, left:right] = 1
    given = {
        "image": rng.normal(size=(images, *size, 3)).astype(np.float32),
        "sizes": np.tile(np.array(size, np.int32), (images, 1)),
    }
    return lambda: network.train_on_batch(given, targets)


def memory() -> Result:
    """The peak of some steps, beside what the process has before the first one."""
    command = [sys.executable, "-m", "benchmarks.detector_steps"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    before, peak = (float(number) / MEGABYTE for number in done.stdout.split()[-2:])
    height, width = MEMORY_SIZE
    return Result(
        f"memory of training steps, Faster R-CNN W18, {MEMORY_IMAGES} images of "
        f"{height}x{width}",
        {"peak of the process": peak, "before the first step": before},
        "MB",
        peak,
        MEMORY_TARGET,
        is_ratio=False,
    )


def measure_memory(arguments: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Take some steps in this process, and print its memory before and at most."""
    step = make_step(arguments, MEMORY_IMAGES, size, classes=80)
    before = begin_anew()
    for _ in range(MEMORY_STEPS):
        step()
    print(before, peak_memory())


if __name__ == "__main__":
    measure_memory({"width": 18}, MEMORY_SIZE)
