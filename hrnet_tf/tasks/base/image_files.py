"""Image files with a target each, looked at as a network does: data of simple tasks."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.common.config import Config
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.choice import in_rounds
from hrnet_tf.data.parallel import AHEAD, in_parallel
from hrnet_tf.data.problems import BrokenImages
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.images.files import read_image
from hrnet_tf.images.preprocess import central_crop_of
from hrnet_tf.images.sheets import COLUMNS, Tile, contact_sheet


class ImageFiles:
    """Image files with a target each: a `TrainingData`.

    Of each image the middle is looked at, as large as it can be at the aspect ratio of
    the network's input, and nothing is changed at random. A broken one stops the work,
    or with `data.on_error=skip` is black and weighs nothing.

    Args:
        files: the images.
        targets: an array with a row for each of them.
        config: the experiment.
        where: names these data in errors.
        caption: a target, or an answer like it, in words, for pictures.

    Raises:
        InputError: if there is no image.
        ValueError: if there are more or fewer targets than files.
    """

    def __init__(
        self,
        files: Sequence[Path],
        targets: np.ndarray,
        config: Config,
        where: str,
        caption: Callable[[Any], str] = str,
    ):
        if not len(files):
            refuse(where, "there is no image")
        if len(files) != len(targets):
            raise ValueError(
                f"`targets` must have a row for each of {len(files)} files, got "
                f"{len(targets)}."
            )
        self.files, self.targets, self.config = list(files), np.asarray(targets), config
        self.where, self.caption = where, caption
        self.broken = BrokenImages(config.data.on_error)

    def __len__(self) -> int:
        return len(self.files)

    def read(
        self, indices: Sequence[int] | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read some images.

        Args:
            indices: which of `files`.

        Returns:
            uint8 RGB `(n, height, width, 3)` at the input's size, and weights, float32
            `(n,)`: 0 for a broken image, which is black.

        Raises:
            InputError: if an image is broken and the policy is to stop.
        """
        size, section = self.config.model.size, self.config.data
        crops = np.zeros((len(indices), *size, 3), np.uint8)
        weights = np.zeros(len(indices), np.float32)
        for row, index in enumerate(indices):
            try:
                image = read_image(
                    self.files[index], section.orientation, section.pixel_limit
                )
            except InputError as error:
                self.broken.add(str(error).removesuffix("."))
                continue
            crops[row], weights[row] = central_crop_of(image, size, 1.0), 1
        return crops, weights

    def batches(self, epochs: range, steps: int) -> tf.data.Dataset:
        """Images, targets and weights, each image once before any comes up again."""
        size = self.config.train.batch_size

        def drawn(epoch: int) -> np.ndarray:
            rng = np.random.default_rng((self.config.seed, epoch))
            return in_rounds(len(self), steps * size, rng)

        def indices(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.numpy_function(drawn, [epoch], tf.int64, stateful=False)
            return tf.data.Dataset.from_tensor_slices(
                tf.ensure_shape(order, (steps * size,))
            )

        def load(chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            crops, weights = tf.numpy_function(
                self.read, [chosen], [tf.uint8, tf.float32], stateful=False
            )
            rows = chosen.shape[0]
            crops = tf.ensure_shape(crops, (rows, *self.config.model.size, 3))
            targets = tf.gather(tf.constant(self.targets), chosen)
            return crops, targets, tf.ensure_shape(weights, (rows,))

        every = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(indices)
        return in_parallel(every, size, load).prefetch(AHEAD)

    def errors_explained(self) -> AbstractContextManager[None]:
        """In here a broken image is an InputError."""
        return self.broken.explained()

    def check(self) -> None:
        """Raise an InputError if no image can be read."""
        if not any(self.read([index])[1][0] for index in range(len(self))):
            refuse(self.where, unreadable(len(self), self.broken))

    def survey(self) -> Survey:
        """Read every image."""
        for index in progress_bar(range(len(self)), unit="image"):
            self.read([index])
        broken = tuple(sorted(self.broken.found))
        counts = {"readable": len(self) - len(broken)}
        return Survey(len(self), "images", counts, broken)

    def draw(self, images: np.ndarray, targets: Any) -> np.ndarray:
        """Images with their targets below them."""
        tiles = [
            Tile(image, self.caption(target))
            for image, target in zip(images, targets, strict=True)
        ]
        return contact_sheet(tiles, COLUMNS)
