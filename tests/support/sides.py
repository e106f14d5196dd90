"""Smooth images with labels that have sides, for tests of masks."""

import numpy as np

CLASSES = ("sky", "left", "right")


def picture(height, width):
    """A smooth image, and labels that follow from it: bright is 1, dark is 2."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9 + i) + np.cos(y / 7 - i) for i in range(3)]
    image = (127 + 60 * np.stack(waves, axis=-1)).astype(np.uint8)
    green = image[..., 1].astype(int)
    labels = np.where(green > 180, 1, np.where(green < 80, 2, 0)).astype(np.uint8)
    return image, labels
