"""Random views of faces, the official recipe."""

from typing import NamedTuple

import numpy as np

from hrnet_tf.tasks.landmarks.codec import NOWHERE
from hrnet_tf.tasks.landmarks.config import FaceAugmentation
from hrnet_tf.tasks.landmarks.geometry import FaceGeometry, Views


class Draws(NamedTuple):
    """What is random about some faces, in columns.

    Attributes:
        factors: float64 `(n,)`, by which the crops are larger.
        rotations: float64 `(n,)`, degrees.
        flips: bool `(n,)`, whether the image is mirrored.
    """

    factors: np.ndarray
    rotations: np.ndarray
    flips: np.ndarray


def draw(count: int, settings: FaceAugmentation, rng: np.random.Generator) -> Draws:
    """Draw what is random about so many faces.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 6, and the official
    code.
    """
    factors = rng.uniform(1 - settings.scale, 1 + settings.scale, count)
    rotations = rng.uniform(-settings.rotation, settings.rotation, count)
    rotations *= rng.random(count) < settings.rotation_probability
    return Draws(factors, rotations, rng.random(count) < settings.flip_probability)


def plain(count: int) -> Draws:
    """Nothing changes."""
    return Draws(np.ones(count), np.zeros(count), np.zeros(count, bool))


def views_of(
    centers: np.ndarray, scales: np.ndarray, draws: Draws, widths: np.ndarray
) -> Views:
    """How faces are looked at.

    Args:
        centers: float32 `(n, 2)`, of the crops, in image pixels.
        scales: float64 `(n,)`, the crops' sides, divided by 200.
        draws: what is random.
        widths: int64 `(n,)`, of the images, in pixels.
    """
    centers = np.array(centers, np.float32)
    flips = np.asarray(draws.flips, bool)
    # One pixel further than a mirror, as the official code counts; a crop does not see.
    centers[flips, 0] = widths[flips] - centers[flips, 0]
    return Views(centers, scales * draws.factors, draws.rotations, flips, widths)


def target_cells(
    points: np.ndarray, views: Views, mirror: np.ndarray, geometry: FaceGeometry
) -> np.ndarray:
    """What is to be learnt: landmarks in cells, float32 `(n, k, 3)` with weights.

    Args:
        points: `(n, k, 3)`, x, y in image pixels and weight.
        views: how the faces are looked at.
        mirror: where each landmark goes in a mirror.
        geometry: between images and heatmaps.
    """
    points = np.where(views.flips[:, None, None], points[:, mirror], points)
    cells = geometry.cells(points[..., :2], views)
    if geometry.rule == "official":
        # A landmark at or above the first row of the image gets an empty map.
        cells = np.where(points[..., 1:2] > 0, cells, NOWHERE)
    return np.concatenate([cells, points[..., 2:] > 0], axis=-1).astype(np.float32)
