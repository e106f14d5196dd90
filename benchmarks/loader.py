"""A data loader as PyTorch's is: processes that make whole batches, each in turn.

It is the peer of `input_pipeline`, and made to be a good one: workers stay warm, each
has two batches in advance, batches travel through shared memory that is mapped once,
and OpenCV starts no threads of its own. Per sample it does what the official code does:
decode the whole image, turn BGR to RGB, warp, bring the crop to float32 between 0 and 1
with channels first, normalise it, and draw 17 Gaussian patches.

This file imports neither TensorFlow nor hrnet_tf, so that workers start quickly.
"""

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import cv2
import numpy as np

# What each sample is made from: file, matrix (2, 3) from image to crop pixels, and
# keypoints (k, 3) in crop pixels; here in columns.
Samples = tuple[np.ndarray, np.ndarray, np.ndarray]
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """What samples become.

    Attributes:
        size: height and width of a crop.
        keypoints: how many.
        mean: RGB, in units of 0..255.
        std: RGB, in units of 0..255.
        stride: crop pixels per heatmap cell.
        sigma: of the target Gaussians, in cells.
    """

    size: tuple[int, int]
    keypoints: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stride: int = 4
    sigma: float = 2.0

    def shapes(self, batch_size: int) -> list[tuple[int, ...]]:
        """Shapes of the crops, heatmaps and weights of a batch."""
        height, width = self.size
        cells = (height // self.stride, width // self.stride)
        return [
            (batch_size, 3, height, width),
            (batch_size, self.keypoints, *cells),
            (batch_size, self.keypoints),
        ]


class SampleMaker:
    """Makes one sample after another by a recipe."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        height, width = recipe.size
        self.cells = (height // recipe.stride, width // recipe.stride)
        self.mean = np.array(recipe.mean, np.float32)[:, None, None] / 255
        self.std = np.array(recipe.std, np.float32)[:, None, None] / 255
        self.radius = int(3 * recipe.sigma)

    def make(self, file: str, matrix: np.ndarray, keypoints: np.ndarray) -> Batch:
        """Crop, float32 `(3, height, width)`; heatmaps `(k, h, w)`; weights `(k,)`."""
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.cvtColor(cv2.imread(file, flags), cv2.COLOR_BGR2RGB)
        height, width = self.recipe.size
        crop = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
        pixels = np.ascontiguousarray(crop.transpose(2, 0, 1)).astype(np.float32)
        pixels /= 255
        pixels -= self.mean
        pixels /= self.std
        return pixels, *self.draw_heatmaps(keypoints)

    def draw_heatmaps(self, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Targets `(k, h, w)` and weights `(k,)`, as the official code has them."""
        height, width = self.cells
        heatmaps = np.zeros((len(keypoints), height, width), np.float32)
        weights = keypoints[:, 2].astype(np.float32)
        points = (keypoints[:, :2] / self.recipe.stride + 0.5).astype(int)
        for index, (x, y) in enumerate(points.tolist()):
            left, top = x - self.radius, y - self.radius
            right, bottom = x + self.radius + 1, y + self.radius + 1
            if left >= width or top >= height or right < 0 or bottom < 0:
                weights[index] = 0.0
            elif weights[index] > 0.5:
                rows = slice(max(0, top), min(bottom, height))
                columns = slice(max(0, left), min(right, width))
                heatmaps[index, rows, columns] = self.draw_patch()[
                    rows.start - top : rows.stop - top,
                    columns.start - left : columns.stop - left,
                ]
        return heatmaps, weights

    def draw_patch(self) -> np.ndarray:
        """A Gaussian with peak 1, cut off at three sigma."""
        distance = np.arange(-self.radius, self.radius + 1, dtype=np.float32) ** 2
        return np.exp(-(distance[:, None] + distance) / (2 * self.recipe.sigma**2))


class WorkerLoader:
    """Worker processes and the batches that they make; a context manager.

    Args:
        recipe: what samples become.
        batch_size: samples a batch.
        workers: number of processes.
        ahead: batches that each worker makes in advance.
    """

    def __init__(
        self, recipe: Recipe, batch_size: int, workers: int = 2, ahead: int = 2
    ):
        self.batch_size = batch_size
        self.ahead = ahead
        context = multiprocessing.get_context("spawn")
        shapes = recipe.shapes(batch_size)
        numbers = sum(int(np.prod(shape)) for shape in shapes)
        self.pipes: list[Connection] = []
        self.slots: list[list[Batch]] = []
        self.processes = []
        for _ in range(workers):
            memory = [context.RawArray("f", numbers) for _ in range(ahead)]
            ours, theirs = context.Pipe()
            process = context.Process(
                target=work, args=(recipe, shapes, memory, theirs), daemon=True
            )
            process.start()
            self.processes.append(process)
            self.pipes.append(ours)
            self.slots.append([in_memory(part, shapes) for part in memory])

    def __enter__(self) -> "WorkerLoader":
        return self

    def __exit__(self, *error: object) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(None)
            process.join()

    def batches(self, samples: Samples) -> Iterator[Batch]:
        """Full batches of samples, in order; each is overwritten after the next."""
        count = len(samples[0]) // self.batch_size
        workers = len(self.pipes)

        def order(number: int) -> None:
            if number < count:
                rows = slice(number * self.batch_size, (number + 1) * self.batch_size)
                slot = number // workers % self.ahead
                columns = tuple(column[rows] for column in samples)
                self.pipes[number % workers].send((slot, columns))

        for number in range(workers * self.ahead):
            order(number)
        for number in range(count):
            slot = self.pipes[number % workers].recv()
            yield self.slots[number % workers][slot]
            order(number + workers * self.ahead)


def work(
    recipe: Recipe, shapes: list[tuple[int, ...]], memory: list[Any], pipe: Connection
) -> None:
    """What a worker process does until it is sent None."""
    cv2.setNumThreads(0)
    maker = SampleMaker(recipe)
    slots = [in_memory(part, shapes) for part in memory]
    while (order := pipe.recv()) is not None:
        slot, samples = order
        made = [maker.make(*sample) for sample in zip(*samples, strict=True)]
        for target, parts in zip(slots[slot], zip(*made, strict=True), strict=True):
            np.stack(parts, out=target)
        pipe.send(slot)


def in_memory(memory: Any, shapes: list[tuple[int, ...]]) -> Batch:
    """Arrays of these shapes, one after another in shared memory."""
    numbers = np.frombuffer(memory, np.float32)
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = np.split(numbers, ends[:-1])
    crops, heatmaps, weights = (
        part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)
    )
    return crops, heatmaps, weights
