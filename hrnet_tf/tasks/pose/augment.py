"""Random crops of people, the official top-down recipe, a whole epoch at once."""

from typing import NamedTuple

import numpy as np

from hrnet_tf.images.boxes import SMALLEST
from hrnet_tf.images.preprocess import crop_matrix, crop_of_box, transform
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.config import AugmentationSection


class CropGeometry(NamedTuple):
    """How people are cut out.

    Attributes:
        size: height and width of a crop in its own pixels.
        padding: how much larger than the box it is.
        unbiased: see `crop_matrix`.
    """

    size: tuple[int, int]
    padding: float
    unbiased: bool = False


def random_crops(
    people: People,
    keypoint_set: KeypointSet,
    settings: AugmentationSection,
    geometry: CropGeometry,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one random crop of each person.

    Args:
        people: whom to crop.
        keypoint_set: what a mirror exchanges, and what the upper body is.
        settings: how far and how often to change what.
        geometry: how they are cut out.
        rng: where all chance comes from.

    Returns:
        float64 matrices `(n, 2, 3)` from image to crop pixels, and keypoints
        `(n, keypoints, 3)` in crop pixels with their weights, in the order of the set.

    Source: Sun et al., https://arxiv.org/abs/1902.09212, section 4.1, and the official
    code.
    """
    size, padding, unbiased = geometry
    aspect = size[1] / size[0]
    centers, widths = crop_of_box(people.boxes, aspect, padding)
    half = half_bodies(people.keypoints, keypoint_set.upper, aspect, settings, rng)
    centers = np.where(half[2][:, None], half[0], centers)
    widths = np.where(half[2], half[1], widths)

    count = len(people)
    factor = settings.scale
    widths = widths * np.clip(
        1 + factor * rng.standard_normal(count), 1 - factor, 1 + factor
    )
    degrees = settings.rotation
    rotations = np.clip(degrees * rng.standard_normal(count), -2 * degrees, 2 * degrees)
    rotations *= rng.random(count) < settings.rotation_probability

    flips = rng.random(count) < settings.flip_probability
    image_widths = people.image_sizes[:, 1]
    centers[flips, 0] = image_widths[flips] - 1 - centers[flips, 0]
    matrices = crop_matrix(centers, widths, rotations, size, unbiased)
    # Mirroring the image first, x to width - 1 - x, is one more affine map.
    matrices[flips, :, 2] += matrices[flips, :, 0] * (image_widths[flips, None] - 1)
    matrices[flips, :, 0] *= -1
    return matrices, crop_keypoints(people.keypoints, matrices, keypoint_set, flips)


def plain_crops(people: People, geometry: CropGeometry) -> np.ndarray:
    """Matrices `(n, 2, 3)` of upright crops of people; see `random_crops`."""
    size, padding, unbiased = geometry
    centers, widths = crop_of_box(people.boxes, size[1] / size[0], padding)
    return crop_matrix(centers, widths, 0.0, size, unbiased)


def crop_keypoints(
    keypoints: np.ndarray,
    matrices: np.ndarray,
    keypoint_set: KeypointSet,
    flips: np.ndarray,
) -> np.ndarray:
    """Keypoints `(n, k, 3)` into crop pixels; in mirrored crops pairs change places."""
    points = np.concatenate(
        [transform(keypoints[..., :2], matrices), keypoints[..., 2:]], -1
    )
    return np.where(flips[:, None, None], points[:, keypoint_set.mirror], points)


def half_bodies(
    keypoints: np.ndarray,
    upper: np.ndarray,
    aspect: float,
    settings: AugmentationSection,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crops around the upper or the lower body of some people.

    Args:
        keypoints: `(n, k, 3)` in image pixels.
        upper: bool `(k,)`, which keypoints belong to the upper body.
        aspect: width over height of a crop.
        settings: how often, and who has enough visible keypoints.
        rng: where chance comes from.

    Returns:
        Centres `(n, 2)` and widths `(n,)` of the crops, and bool `(n,)`: for whom they
        are meant.
    """
    visible = keypoints[..., 2] > 0
    count = len(keypoints)
    chosen = (visible.sum(axis=1) > settings.half_body_keypoints) & (
        rng.random(count) < settings.half_body_probability
    )
    above, below = visible & upper, visible & ~upper
    # The official code compares a normal number with 0.5: upper bodies come up at 69 %.
    prefers_upper = (rng.standard_normal(count) < 0.5) & (above.sum(axis=1) > 2)
    takes_upper = prefers_upper | (below.sum(axis=1) <= 2)
    part = np.where(takes_upper[:, None], above, below)
    chosen &= part.sum(axis=1) >= 2

    points = keypoints[..., :2]
    masked = np.ma.masked_array(points, np.broadcast_to(~part[..., None], points.shape))
    centers = masked.mean(axis=1).filled(0.0)
    width, height = (masked.max(axis=1) - masked.min(axis=1)).filled(0.0).T
    widths = np.maximum(width, height * aspect) * 1.5
    return centers, np.maximum(widths, SMALLEST), chosen
