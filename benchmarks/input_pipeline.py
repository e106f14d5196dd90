"""Training batches of random crops, and the same from a PyTorch-style loader.

Both read the same JPEG files of 640x480 pixels, cut out the same people by the same
random matrices (the official recipe, W32 256x192), and end at what a training step
takes: normalised float32 crops, heatmaps and weights. Ours makes uint8 crops, and
normalises and draws the heatmaps for a whole batch in a compiled graph, which is
measured too; in training it is part of the step. The peer is `loader.WorkerLoader`, two
processes on the same two cores. It gets its matrices for nothing, and that its arrays
would still have to become tensors does not count; ours draws its matrices while it is
measured.

The two take turns; each turn is one epoch, of which the first batches do not count.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.loader import Recipe, Samples, WorkerLoader
from benchmarks.network import SIZE
from benchmarks.photographs import draw_people
from benchmarks.report import Result
from hrnet_tf import HeatmapCodec, KeypointSet, preprocess_input
from hrnet_tf.images.preprocess import MEAN, PADDING, STD
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.augment import CropGeometry
from hrnet_tf.tasks.pose.config import AugmentationSection
from hrnet_tf.tasks.pose.pipeline import CropReader, random_epochs, training_batches

TARGET = 1.4
IMAGES = 100
BATCH_SIZE = 32
WARM_UP = 10  # batches
BATCHES = 40  # that count
ROUNDS = 5


def run() -> list[Result]:
    """Median images per second."""
    with tempfile.TemporaryDirectory() as folder:
        people = draw_people(Path(folder), IMAGES)
        count = BATCH_SIZE * (WARM_UP + BATCHES)
        ours = OurBatches(people, SIZE, BATCH_SIZE, count)
        rates: dict[str, list[float]] = {"hrnet_tf": [], "PyTorch-style loader": []}
        with WorkerLoader(ours.recipe(), BATCH_SIZE) as loader:
            for number in range(ROUNDS):
                print(f"  round {number + 1} of {ROUNDS} ...", flush=True)
                samples = ours.samples(number)
                turns = [ours.batches(number), loader.batches(samples)]
                for found, batches in zip(rates.values(), turns, strict=True):
                    found.append(images_per_second(batches))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    mine, peer = medians.values()
    title = f"training batches, W32 256x192, batches of {BATCH_SIZE}"
    return [Result(title, medians, "images/s", mine / peer, TARGET)]


def images_per_second(batches: Iterator[Any]) -> float:
    """How quickly batches come once the first are through."""
    for _ in islice(batches, WARM_UP):
        pass
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return BATCH_SIZE * count / (time.perf_counter() - start)


class OurBatches:
    """Our training input, up to what the first layer and the loss take.

    Args:
        people: whom to crop.
        size: height and width of a crop.
        batch_size: crops a batch.
        count: crops an epoch.
    """

    def __init__(
        self, people: People, size: tuple[int, int], batch_size: int, count: int
    ):
        keypoint_set = KeypointSet.read("coco")
        geometry = CropGeometry(size, PADDING)
        self.people = people
        self.batch_size = batch_size
        self.epoch = random_epochs(
            people, keypoint_set, AugmentationSection(), geometry, count, seed=0
        )
        self.reader = CropReader(people, size)
        self.codec = HeatmapCodec()
        self.finish = self._in_a_graph()

    def _in_a_graph(self) -> Callable:
        height, width = self.reader.size
        cells = (height // self.codec.stride, width // self.codec.stride)

        def finish(crops: tf.Tensor, keypoints: tf.Tensor) -> tuple:
            return preprocess_input(crops), *self.codec.encode(keypoints, cells)

        # Compiled, as the step is of which this is a part in training on a GPU.
        return tf.function(finish, autograph=False, jit_compile=True)

    def batches(self, number: int) -> Iterator[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        """One epoch: normalised crops, heatmaps `(batch, h, w, k)` and weights."""
        epochs = range(number, number + 1)
        for batch in training_batches(self.reader, self.epoch, epochs, self.batch_size):
            yield self.finish(*batch)

    def samples(self, number: int) -> Samples:
        """What the peer makes the same epoch from."""
        order, matrices, keypoints = self.epoch(number)
        return self.people.files[order], matrices, keypoints

    def recipe(self) -> Recipe:
        """What the peer makes of it."""
        count = self.people.keypoints.shape[1]
        return Recipe(
            self.reader.size, count, MEAN, STD, self.codec.stride, self.codec.sigma
        )
