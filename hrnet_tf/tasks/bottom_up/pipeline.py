"""Whole images to training batches: TensorFlow decodes, OpenCV warps, uint8 travels.

Heatmaps are drawn from people later, on whole batches inside the compiled step.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hrnet_tf.data.parallel import AHEAD, in_parallel
from hrnet_tf.images.preprocess import warp
from hrnet_tf.tasks.bottom_up.augment import Views, people_in_view, random_views
from hrnet_tf.tasks.bottom_up.config import BottomUpData
from hrnet_tf.tasks.bottom_up.masks import counted_pixels
from hrnet_tf.tasks.bottom_up.scenes import Scenes
from hrnet_tf.tasks.keypoints.crops import CropReader

STRIDES = {"heatmaps_and_tags": 4, "heatmaps": 2}  # of the network's answers

# One epoch, given its number: which images, int64 (n,), and how to look at them.
Epoch = Callable[[int], tuple[np.ndarray, Views]]


def random_epochs(scenes: Scenes, data: BottomUpData, count: int, seed: int) -> Epoch:
    """What each training epoch consists of; the same for the same seed and number.

    Args:
        scenes: what there is.
        data: how to change it.
        count: images an epoch; all come up equally often, give or take one.
        seed: of everything random.
    """

    def epoch(number: int) -> tuple[np.ndarray, Views]:
        rng = np.random.default_rng([seed, int(number)])
        rounds = -(-count // len(scenes))
        order = [rng.permutation(len(scenes)) for _ in range(rounds)]
        chosen = np.concatenate(order)[:count]
        sizes = scenes.images.image_sizes[chosen]
        return chosen, random_views(sizes, data.augmentation, rng)

    return epoch


class Targets:
    """What a network shall answer about scenes, by the name of its answer.

    Args:
        scenes: of a data set.
        data: what counts, and how wide Gaussians are.
        side: of the network's input, in pixels.
        mirror: int64 `(keypoints,)`, where each keypoint goes in a mirror.
    """

    def __init__(
        self, scenes: Scenes, data: BottomUpData, side: int, mirror: np.ndarray
    ):
        self.scenes, self.data = scenes, data
        self.mirror = mirror
        self.sides = {name: side // stride for name, stride in STRIDES.items()}
        self.numbers = 3 if data.adaptive_sigma == "no" else 4

    @property
    def widest(self) -> float:
        """The largest sigma that a person can have; 0: all have the same."""
        if self.numbers == 3:
            return 0.0
        largest = max(
            (sizes.max(initial=0.0) for sizes in self.scenes.sizes), default=0
        )
        least = self.data.augmentation.scale[0]
        return float(self.sigmas(np.array([largest]), least)[0])

    def sigmas(self, sizes: np.ndarray, factor: float) -> np.ndarray:
        """Sigma of each person by the longer side of their box; see `BottomUpData`."""
        sigmas = sizes / self.data.sigma_base * self.data.sigma / factor
        return np.round(sigmas + 0.5) if self.data.adaptive_sigma == "whole" else sigmas

    def people(
        self, index: int, matrices: np.ndarray, flip: bool, factor: float
    ) -> list[np.ndarray]:
        """Everyone in a scene, float32 `(most, keypoints, numbers)` for each answer.

        Args:
            index: of the scene.
            matrices: `(answers, 2, 3)`, from pixels of the image to cells.
            flip: whether they mirror.
            factor: that was drawn of what is seen.
        """
        keypoints, count = self.scenes.keypoints[index], len(self.mirror)
        rows = np.zeros((len(matrices), self.scenes.most, count, self.numbers))
        if self.numbers == 4:
            rows[..., 3] = self.data.sigma
            sigmas = self.sigmas(self.scenes.sizes[index], factor)
            rows[:, : len(keypoints), :, 3] = sigmas[:, None]
        for row, matrix in zip(rows, matrices, strict=True):
            seen = people_in_view(keypoints, matrix, flip, self.mirror)
            row[: len(keypoints), :, :3] = seen
        return list(rows.astype(np.float32))

    def masks(self, index: int, matrices: np.ndarray) -> list[np.ndarray]:
        """Which cells count, uint8 `(side, side)` for each answer.

        Args:
            index: of the scene.
            matrices: `(answers, 2, 3)`, from pixels of the image to cells.
        """
        size = tuple(self.scenes.images.image_sizes[index].tolist())
        hidden = self.scenes.hidden[index] if self.data.masks else []
        counted = counted_pixels(hidden, size).astype(np.uint8) * 255
        return [
            (warp(counted, matrix, (side, side)) > 127).astype(np.uint8)
            for matrix, side in zip(matrices, self.sides.values(), strict=True)
        ]


def training_batches(
    reader: CropReader, targets: Targets, epoch: Epoch, numbers: range, batch_size: int
) -> tf.data.Dataset:
    """Batches of random looks, one epoch after another.

    Args:
        reader: cuts images out.
        targets: what the network shall answer.
        epoch: what each epoch consists of.
        numbers: of the epochs; an interrupted training goes on at a later one.
        batch_size: images a batch.

    Returns:
        A data set of uint8 images `(batch, side, side, 3)`, and for each answer of the
        network by name float32 people `(batch, most, keypoints, 3 or 4)` in its cells,
        and what its cells count, float32 `(batch, cells, cells)`.
    """
    side = reader.size[0]
    shape = (targets.scenes.most, len(targets.mirror), targets.numbers)
    names = list(targets.sides)

    def draw(number):
        order, views = epoch(number)
        cells = [views.matrices(s) for s in targets.sides.values()]
        planned = reader.plan(order, views.matrices(side))
        return *planned, np.stack(cells, axis=1), views.flips, views.factors

    def samples(number):
        types = [tf.int64, tf.string, tf.int32, tf.int32, tf.float64, tf.int32]
        columns = tf.numpy_function(
            draw, [number], [*types, tf.float64, tf.bool, tf.float64]
        )
        shapes = [(), (), (4,), (4,), (2, 3), (), (len(names), 2, 3), (), ()]
        for column, own in zip(columns, shapes, strict=True):
            column.set_shape((None, *own))
        return tf.data.Dataset.from_tensor_slices(tuple(columns))

    def answers(*drawn: np.ndarray) -> list[np.ndarray]:
        indices, matrices, flips, factors = drawn
        rows = list(zip(indices.tolist(), matrices, flips, factors, strict=True))
        people = [targets.people(*row) for row in rows]
        masks = [targets.masks(*row[:2]) for row in rows]
        parts = [*zip(*people, strict=True), *zip(*masks, strict=True)]
        return [np.stack(part) for part in parts]

    def load(*columns):
        *planned, cells, flips, factors = columns
        images, good = reader.in_graph(*planned)
        rows = cells.shape[0]
        types = [tf.float32] * len(names) + [tf.uint8] * len(names)
        given = [planned[0], cells, flips, factors]
        found = tf.numpy_function(answers, given, types, stateful=False)
        people, weights = {}, {}
        good = tf.cast(good, tf.float32)  # a broken image weighs nothing
        for number, (name, own) in enumerate(targets.sides.items()):
            persons, mask = found[number], found[len(names) + number]
            persons.set_shape((rows, *shape))
            mask.set_shape((rows, own, own))
            people[name] = persons * good[:, None, None, None]
            weights[name] = tf.cast(mask, tf.float32) * good[:, None, None]
        return images, people, weights

    epochs = tf.data.Dataset.range(numbers.start, numbers.stop).flat_map(samples)
    return in_parallel(epochs, batch_size, load).prefetch(AHEAD)
