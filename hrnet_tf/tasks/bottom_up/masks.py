"""Where heatmaps count: not in crowds, nor on people without annotated keypoints."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hrnet_tf.tasks.keypoints.outlines import pixels_inside


def counted_pixels(hidden: Sequence[Any], size: tuple[int, int]) -> np.ndarray:
    """Which pixels of an image count, bool `(height, width)`.

    Args:
        hidden: outlines of what does not; see `hrnet_tf.tasks.keypoints.outlines`.
        size: height and width.
    """
    counted = np.ones(size, bool)
    for outline in hidden:
        counted &= ~pixels_inside(outline, size)
    return counted
