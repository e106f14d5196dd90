"""A network's steps or calls, measured in a process of its own.

    python -m hrnet_tf.paper_tables.process JSON

JSON holds `network` (an import path), `arguments`, `size`, `images`, and `targets`:
what it learns from, or null, where it answers only. The last line that it writes is
JSON too: see `measure`.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.components import create
from hrnet_tf.common.config import Component
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.processes.process_memory import peak_memory

WARMING = 2  # calls that do not count: the first one makes the graph
ENOUGH, PATIENCE = 10, 20.0  # calls that count, at most; seconds, after one of them
KEYPOINTS, CLASSES, OBJECTS = 17, 10, 8  # of made-up samples


def measure(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a step, or a call, takes.

    Returns:
        `seconds`, the median of `calls`; `bytes`, the most memory: of a GPU, where one
        is used, else of this process, with Python and TensorFlow; and `device`.
    """
    size = tuple(asked["size"])
    component = Component(asked["network"], asked["arguments"])
    network = create(component, "network", input_shape=(*size, 3))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(asked["images"], *size, 3)).astype(np.float32)
    if asked["targets"] is None:
        call = answering(network, images)
    else:
        call = learning(network, images, asked["targets"], rng)
    times = timed(call)
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "seconds": statistics.median(times),
        "calls": len(times),
        "bytes": gpu_memory() if gpus else peak_memory(),
        "device": gpu_name(gpus[0]) if gpus else "",
    }


def timed(call: Callable[[], object]) -> list[float]:
    """How long calls take, in seconds, once the first ones are past."""
    for _ in range(WARMING):
        call()
    times: list[float] = []
    while not times or (len(times) < ENOUGH and sum(times) < PATIENCE):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def gpu_memory() -> int:
    """The most bytes that TensorFlow had of the first GPU."""
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def gpu_name(gpu: Any) -> str:
    """What a GPU is called by its maker."""
    return tf.config.experimental.get_device_details(gpu).get("device_name", "a GPU")


def answering(network: keras.Model, images: np.ndarray) -> Callable[[], object]:
    """One answer about images that are on the device, waited for."""
    graph = tf.function(lambda x: network(x, training=False), autograph=False)
    given = tf.constant(images)

    def call() -> None:
        for answer in tf.nest.flatten(graph(given)):
            answer.numpy()

    return call


def learning(
    network: keras.Model, images: np.ndarray, targets: str, rng: np.random.Generator
) -> Callable[[], object]:
    """One training step, as the network is compiled; what is not gets SGD."""
    if network.optimizer is None:
        network.compile(
            keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy"
        )
    # So that all steps have the same to do.
    network.optimizer.learning_rate = 0.0
    given = TARGETS[targets](rng, *images.shape[:3])
    return lambda: network.train_on_batch(images, given)


def keypoints(rng: np.random.Generator, count: int, height: int, width: int) -> Any:
    """Of people: x, y and whether they count."""
    places = rng.uniform(0, (width / 4, height / 4), (count, KEYPOINTS, 2))
    return np.dstack([places, np.ones((count, KEYPOINTS, 1))]).astype(np.float32)


def pixels(rng: np.random.Generator, count: int, height: int, width: int) -> Any:
    """A class for each pixel."""
    return rng.integers(0, CLASSES, (count, height, width), np.int32)


def classes(rng: np.random.Generator, count: int, height: int, width: int) -> Any:
    """A class for each image."""
    return rng.integers(0, CLASSES, count, np.int32)


def boxes(rng: np.random.Generator, count: int, height: int, width: int) -> Any:
    """Some objects in each image."""
    begin = rng.uniform(0, 0.6, (count, OBJECTS, 2)) * (width, height)
    sides = rng.uniform(0.1, 0.4, (count, OBJECTS, 2)) * (width, height)
    return {
        "boxes": np.concatenate([begin, begin + sides], axis=-1).astype(np.float32),
        "labels": rng.integers(0, CLASSES, (count, OBJECTS), np.int32),
    }


def masks(rng: np.random.Generator, count: int, height: int, width: int) -> Any:
    """Objects that fill their boxes."""
    found = boxes(rng, count, height, width)
    found["masks"] = np.zeros((count, OBJECTS, height, width), np.uint8)
    for image, own in zip(found["masks"], found["boxes"].astype(int), strict=True):
        for mask, (left, top, right, bottom) in zip(image, own, strict=True):
            mask[top:bottom, left:right] = 1
    return found


TARGETS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (keypoints, pixels, classes, boxes, masks)
}


def main(asked: str) -> None:
    """Measure what is asked for, as JSON, and write what was found, as JSON."""
    try:
        found = measure(json.loads(asked))
    except InputError as error:
        sys.exit(" ".join(str(error).split()))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
