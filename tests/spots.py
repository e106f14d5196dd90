"""A network that finds coloured spots, and images of them: answers known in advance."""

import keras
import numpy as np
from keras import layers

from hrnet_tf.labels import KeypointSet
from hrnet_tf.manifest import Decoding, HeatmapOutput, ImageInput, PoseManifest
from hrnet_tf.preprocess import MEAN, STD

COLORS = KeypointSet(
    "colors",
    names=("red", "green", "blue"),
    flip_pairs=(("green", "blue"),),
    sigmas=(0.1, 0.1, 0.1),
    skeleton=(("green", "blue"),),
)


def spot_manifest(**decoding):
    return PoseManifest(
        "spots",
        ImageInput(64, 48),
        HeatmapOutput(16, 12, 4),
        COLORS,
        Decoding(**{"refinement": "none", **decoding}),
    )


def spot_network():
    """Each heatmap is one colour, in [0, 1]; cell `c` looks at crop pixel `4 * c`."""
    crops = keras.Input((64, 48, 3), name="image")
    heatmaps = layers.Conv2D(3, 1, strides=4, name="colors")(crops)
    model = keras.Model(crops, heatmaps)
    model.set_weights([np.diag(STD)[None, None] / 255, np.array(MEAN) / 255])
    return model


def spot_image(size, points, radius):
    """Black, with one round spot of each colour.

    Args:
        size: height and width in pixels.
        points: x, y of the red, the green and the blue spot.
        radius: standard deviation of the spots, in pixels.
    """
    y, x = np.mgrid[: size[0], : size[1]]
    channels = [
        np.exp(-((x - left) ** 2 + (y - top) ** 2) / (2 * radius**2))
        for left, top in points
    ]
    return np.round(255 * np.stack(channels, axis=-1)).astype(np.uint8)
