"""At which size an image is looked at, and how its pixels lie there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hrnet_tf.images.preprocess import crop_matrix, invert
from hrnet_tf.tasks.bottom_up.looks import middle_of, size_of_look, width_to_fit


@dataclass(frozen=True)
class Look:
    """An image as a network sees it at one scale.

    Attributes:
        size: height and width in pixels of the network's input.
        center: int64 `(2,)`, x and y of its middle in pixels of the image.
        width: its width in pixels of the image; what lies beyond the image is black.
    """

    size: tuple[int, int]
    center: np.ndarray
    width: float

    @property
    def matrix(self) -> np.ndarray:
        """Float64 `(2, 3)`, from pixels of the image to those of the input."""
        return self.matrix_to(self.size)

    def matrix_to(self, size: tuple[int, int]) -> np.ndarray:
        """The same to another map of what is seen, of this height and width."""
        return crop_matrix(self.center[None], np.array([self.width]), 0.0, size)[0]

    def matrix_from(self, size: tuple[int, int]) -> np.ndarray:
        """Float64 `(2, 3)`, from such a map back to pixels of the image."""
        return invert(self.matrix_to(size)[None])[0]


def look_at(
    image_size: Sequence[int], short_side: int, scale: float = 1.0, least: float = 1.0
) -> Look:
    """How an image is looked at whole: by the rule of the official test program.

    Args:
        image_size: its height and width.
        short_side: of the network's input at scale 1; it is rounded up to a multiple of
            64, and so is the long side, both at the smallest scale.
        scale: the scale of this look.
        least: the smallest of all scales at which the image is looked at.

    Example:
        ```python
        look_at((480, 640), 512).size  # (512, 704)
        ```
    """
    size, width = size_of_look(image_size, short_side, scale, least)
    return Look(size, np.array(middle_of(image_size)), width)


def look_into(image_size: Sequence[int], size: tuple[int, int]) -> Look:
    """How an image is looked at whole by a network that takes one size only.

    Args:
        image_size: its height and width.
        size: height and width of the network's input.
    """
    width = width_to_fit(image_size, size)
    return Look(size, np.array(middle_of(image_size)), width)
