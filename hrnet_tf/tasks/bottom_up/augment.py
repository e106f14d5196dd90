"""Random looks at whole images, the official bottom-up recipe."""

from dataclasses import dataclass

import numpy as np

from hrnet_tf.images.preprocess import transform
from hrnet_tf.tasks.bottom_up.config import AugmentationSection

UNIT = 200.0  # pixels: what the official program measures sizes of images in


@dataclass(frozen=True)
class Views:
    """How images are looked at in training, one row each.

    Attributes:
        centers: float64 `(n, 2)`, what lies in the middle, in pixels of the image.
        widths: float64 `(n,)`, how much is seen, in pixels of the image.
        factors: float64 `(n,)`, what was drawn of the widths.
        rotations: float64 `(n,)`, degrees.
        flips: bool `(n,)`, which are mirrored.
    """

    centers: np.ndarray
    widths: np.ndarray
    factors: np.ndarray
    rotations: np.ndarray
    flips: np.ndarray

    def matrices(self, side: int) -> np.ndarray:
        """Float64 `(n, 2, 3)`, from pixels of the image to a square of this side."""
        angle = np.deg2rad(-self.rotations)
        cos, sin = np.cos(angle), np.sin(angle)
        turns = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
        linear = turns * (side / self.widths)[:, None, None]
        moved = side / 2 - np.einsum("nij,nj->ni", linear, self.centers)
        found = np.concatenate([linear, moved[..., None]], axis=-1)
        found[self.flips, 0] *= -1
        found[self.flips, 0, 2] += side - 1
        return found


def random_views(
    image_sizes: np.ndarray, settings: AugmentationSection, rng: np.random.Generator
) -> Views:
    """Draw how to look at images.

    Args:
        image_sizes: `(n, 2)`, heights and widths.
        settings: how far to change what.
        rng: where all chance comes from.

    Source: the official HigherHRNet program.
    """
    count = len(image_sizes)
    low, high = settings.scale
    factors = low + (high - low) * rng.random(count)
    rotations = (2 * rng.random(count) - 1) * settings.rotation
    widths = seen_whole(image_sizes, settings) * factors
    # Whole pixels, cut off towards zero; the upper end does not come up.
    reach = (widths * settings.shift).astype(np.int64)[:, None]
    shifts = np.floor((2 * rng.random((count, 2)) - 1) * reach)
    flips = rng.random(count) < settings.flip_probability
    centers = np.asarray(image_sizes)[:, ::-1] / 2 + shifts
    return Views(centers, widths, factors, rotations, flips)


def seen_whole(image_sizes: np.ndarray, settings: AugmentationSection) -> np.ndarray:
    """The side of each image that fills what is seen, in pixels, float64 `(n,)`."""
    sides = np.asarray(image_sizes, np.float64)
    return sides.min(axis=1) if settings.fit == "short" else sides.max(axis=1)


def people_in_view(
    keypoints: np.ndarray, matrix: np.ndarray, flip: bool, mirror: np.ndarray
) -> np.ndarray:
    """People of one image in pixels of what is seen.

    Args:
        keypoints: `(people, keypoints, 3)`, in pixels of the image.
        matrix: `(2, 3)`, from there to what is seen, mirrored or not.
        flip: whether it is mirrored: pairs change places then.
        mirror: int64 `(keypoints,)`, where each keypoint goes in a mirror.
    """
    count = len(keypoints)
    places = transform(
        keypoints[..., :2], np.broadcast_to(matrix, (count, *matrix.shape))
    )
    found = np.concatenate([places, keypoints[..., 2:]], axis=-1)
    return found[:, mirror] if flip else found
