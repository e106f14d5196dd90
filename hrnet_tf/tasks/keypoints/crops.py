"""Crops of images, read one after another or in the graph of a pipeline.

The first time that an image is needed Python reads it, with every check; from then on
TensorFlow does, which need not wait for Python's lock.
"""

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.data.problems import BrokenImages, Policy
from hrnet_tf.images.files import check_size, decode, decode_windows, stored_windows
from hrnet_tf.images.header import Header, read_header
from hrnet_tf.images.preprocess import part_of, source_windows, transform, warp
from hrnet_tf.tasks.keypoints.people import People


@dataclass
class CropReader:
    """Reads one crop after another; broken images stop it or are counted.

    Attributes:
        people: whom to crop.
        size: height and width of a crop.
        on_error: `"stop"`, or `"skip"`: give a black crop in place of a broken one.
        reading: how image files are taken.
        broken: what was skipped, or what stopped it.
    """

    people: People
    size: tuple[int, int]
    on_error: Policy = "stop"
    reading: Reading = UPRIGHT
    broken: BrokenImages = field(init=False)
    # How JPEG files that are known to be good are to be turned, 1 to 8.
    _turns: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        self.broken = BrokenImages(self.on_error)

    def read(self, index: int, matrix: np.ndarray) -> tuple[np.ndarray, np.bool_]:
        """Cut a person out.

        Args:
            index: which of `people`.
            matrix: `(2, 3)`, image pixels to crop pixels.

        Returns:
            The crop, uint8 RGB `(height, width, 3)`, and whether it is good, bool.

        Raises:
            InputError: if the image is broken and the policy is to stop.
        """
        planned = self.plan(np.array([index]), matrix[None])
        _, _, (window,), _, (matrix,), _ = planned
        return self.cut(index, window, matrix)

    def load(self, index: int) -> tuple[np.ndarray, Header]:
        """Read the whole image of a person.

        Args:
            index: which of `people`.

        Returns:
            uint8 RGB `(height, width, 3)`, and what the file says of itself.

        Raises:
            InputError: if the image is broken or of another size than annotated.
            OSError: if there is no such file.
        """
        with open(self.people.files[index], "rb") as stream:
            encoded = stream.read()
        header = read_header(encoded, self.reading)
        size = self.people.image_sizes[index]
        check_size(header, self.reading, size, "its annotation says")
        return decode(encoded, self.reading, header), header

    def plan(self, indices: np.ndarray, matrices: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `in_graph` takes for some crops, in columns.

        Args:
            indices: int64 `(n,)`, which of `people`.
            matrices: `(n, 2, 3)`, image pixels to crop pixels.

        Returns:
            The indices; files; windows to look at, see `source_windows`; where these
            lie in the files; matrices from pixels of these windows to crop pixels; and
            how to turn each file, 0: not known yet.
        """
        files, sizes = self.people.files[indices], self.people.image_sizes[indices]
        windows = source_windows(matrices, sizes, self.size)
        corners = windows[:, None, 1::-1]  # x, y
        corners_in_crops = transform(corners, matrices).transpose(0, 2, 1)
        shifted = np.concatenate([matrices[:, :, :2], corners_in_crops], axis=-1)
        turns = np.array([self._turns.get(file, 0) for file in files], np.int32)
        stored = stored_windows(windows, sizes, turns)
        return indices, files, windows, stored, shifted, turns

    def cut(
        self, index: int, window: np.ndarray, matrix: np.ndarray
    ) -> tuple[np.ndarray, np.bool_]:
        """`read` what is planned."""
        try:
            # The whole image: once that is good, so is every window.
            image, header = self.load(index)
        except (InputError, OSError) as error:
            self.broken.add(f"{self.people.sources[index]}: {error}")
            return np.zeros((*self.size, 3), np.uint8), np.False_
        if header.format == "JPEG":
            self._turns[self.people.files[index]] = header.turn_for(self.reading)
        return warp(part_of(image, window), matrix, self.size), np.True_

    def in_graph(
        self,
        indices: tf.Tensor,
        files: tf.Tensor,
        windows: tf.Tensor,
        stored: tf.Tensor,
        matrices: tf.Tensor,
        turns: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`cut` for a whole batch, as a step of a pipeline; takes rows of `plan`."""

        def in_python():
            given = [indices, windows, matrices]
            types = [tf.uint8, tf.bool]
            return tf.numpy_function(self._cut_all, given, types, stateful=False)

        def in_tensorflow():
            # Unrolled, and warped in one call: a call into Python for each crop would
            # have to wait for its lock each time.
            contents = [tf.io.read_file(file) for file in tf.unstack(files)]
            parts = decode_windows(contents, stored, turns)
            crops = tf.numpy_function(
                self._warp_all, [matrices, *parts], tf.uint8, stateful=False
            )
            return [crops, tf.fill([count], True)]

        count = indices.shape[0]
        crops, good = tf.cond(tf.reduce_all(turns > 0), in_tensorflow, in_python)
        crops.set_shape((count, *self.size, 3))
        good.set_shape((count,))
        return crops, good

    def _cut_all(
        self, indices: np.ndarray, windows: np.ndarray, matrices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = zip(indices, windows, matrices, strict=True)
        crops, good = zip(*(self.cut(*row) for row in rows), strict=True)
        return np.stack(crops), np.array(good)

    def _warp_all(self, matrices: np.ndarray, *parts: np.ndarray) -> np.ndarray:
        crops = np.empty((len(parts), *self.size, 3), np.uint8)
        for crop, part, matrix in zip(crops, parts, matrices, strict=True):
            warp(part, matrix, self.size, crop)
        return crops
