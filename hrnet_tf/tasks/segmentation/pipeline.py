"""Masks for training: read as labels, cut out with their images."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.tasks.dense.augment import Cut, cut_nearest
from hrnet_tf.tasks.dense.pipeline import PairReader
from hrnet_tf.tasks.segmentation.classes import IGNORED
from hrnet_tf.tasks.segmentation.masks import MaskedImages, read_labels


@dataclass
class MaskReader(PairReader):
    """Reads images and labels, uint8 `(height, width)`, 255 where nothing counts.

    See `PairReader`.

    Example:
        ```python
        section = MaskSection(root="flowers")
        training, validation = open_masks(section)
        image, labels = MaskReader(validation, section).read(0)
        ```
    """

    what: ClassVar[str] = "mask"

    images: MaskedImages

    @property
    def meaning(self) -> bytes:
        """What each value in a mask stands for."""
        return self.images.class_set.lookup.tobytes()

    def blank(self, size: tuple[int, int]) -> np.ndarray:
        """Labels of which none counts."""
        return np.full(size, IGNORED, np.uint8)

    def read_target(self, path: str) -> np.ndarray:
        """Read labels; see `read_labels`."""
        return read_labels(path, self.images.class_set, self.section.reading)

    def cut_target(self, target: np.ndarray, cut: Cut, out: np.ndarray) -> None:
        """Cut labels out; see `cut_labels`."""
        cut_labels(target, cut, self._mirror, out)

    @cached_property
    def _mirror(self) -> np.ndarray:
        return mirrored_labels(self.images.class_set.mirror)


def cut_labels(
    labels: np.ndarray, cut: Cut, mirror: np.ndarray, out: np.ndarray
) -> None:
    """Cut a crop out of labels: the nearest one of each pixel.

    Args:
        labels: uint8 `(height, width)`.
        cut: what to cut out.
        mirror: uint8 `(256,)`, what each label becomes in a mirror; see
            `mirrored_labels`.
        out: uint8 `(crop height, crop width)`, 255; gets the crop. What lies outside
            the image stays as it is.
    """
    cut_nearest(labels, cut, out)
    if cut.flip:
        out[:] = cv2.LUT(out, mirror)


def mirrored_labels(mirror: np.ndarray) -> np.ndarray:
    """uint8 `(256,)`: what each label becomes; `mirror` is that of a `ClassSet`."""
    table = np.arange(256, dtype=np.uint8)
    table[: len(mirror)] = mirror
    return table
