"""Where faces are cut out, and where their points lie in crops and heatmaps.

A view of a face is the centre of its crop, the crop's size as a 200th of its side (the
`scale` of published annotations, times the padding), a rotation, and whether the image
is mirrored before. Points of a heatmap are counted in cells, from the middle of the
first one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hrnet_tf.images.preprocess import crop_matrix, invert, transform

UNIT = 200.0  # pixels, of a crop whose scale is 1

# "official": whole pixels and cells, stretched contrast, as published weights expect;
# "affine": fractions of both, colours as they are.
Rule = Literal["official", "affine"]


@dataclass(frozen=True)
class Views:
    """How faces are looked at: one row a face.

    Attributes:
        centers: float32 `(n, 2)`, x and y of the crops' middles, in pixels of the image
            (of the mirrored one where it is mirrored).
        scales: float64 `(n,)`, the crops' sides in image pixels, divided by 200.
        rotations: float64 `(n,)`, degrees; positive turns the image anticlockwise.
        flips: bool `(n,)`, whether the image is mirrored first.
        widths: int64 `(n,)`, of the images, in pixels; only where one is mirrored.
    """

    centers: np.ndarray
    scales: np.ndarray
    rotations: np.ndarray
    flips: np.ndarray
    widths: np.ndarray

    def __len__(self) -> int:
        return len(self.scales)

    def take(self, index: np.ndarray) -> "Views":
        """These rows, in this order."""
        return Views(**{name: column[index] for name, column in vars(self).items()})


def upright(centers: np.ndarray, scales: np.ndarray, padding: float) -> Views:
    """Views of faces as they are.

    Args:
        centers: `(n, 2)`, middles of the faces' boxes.
        scales: `(n,)`, the boxes' sides, divided by 200.
        padding: how much larger than the box a crop is.
    """
    count = len(scales)
    return Views(
        np.asarray(centers, np.float32).reshape(-1, 2),
        np.asarray(scales, np.float64) * padding,
        np.zeros(count),
        np.zeros(count, bool),
        np.zeros(count, np.int64),
    )


def mirrored(points: np.ndarray, views: Views) -> np.ndarray:
    """Points `(n, k, 2)` of images, in the mirrored image where it is mirrored.

    The official program counts one pixel further than a mirror does.
    """
    found = np.array(points)
    flips = views.flips
    found[flips, :, 0] = views.widths[flips, None] - points[flips, :, 0]
    return found


def face_matrices(views: Views, size: int) -> np.ndarray:
    """Maps from image pixels to a square map of `size`, float64 `(n, 3, 3)`.

    Source: the official code.
    """
    matrices = np.zeros((len(views), 3, 3))
    sides = UNIT * views.scales
    matrices[:, 0, 0] = matrices[:, 1, 1] = size / sides
    centers = views.centers.astype(np.float64)
    matrices[:, :2, 2] = size * (-centers / sides[:, None] + 0.5)
    matrices[:, 2, 2] = 1
    turned = views.rotations != 0
    if turned.any():
        angle = np.deg2rad(-views.rotations[turned])
        turn = np.zeros((len(angle), 3, 3))
        turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
        turn[:, 1, 0] = np.sin(angle)
        turn[:, 0, 1] = -turn[:, 1, 0]
        turn[:, 2, 2] = 1
        there, back = np.eye(3), np.eye(3)
        there[:2, 2], back[:2, 2] = -size / 2, size / 2
        matrices[turned] = back @ (turn @ (there @ matrices[turned]))
    return matrices


def whole_cells(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Points of images `(n, k, 2)` to cells, cut off towards zero, int64."""
    return _apply(matrices, points).astype(np.int64)


def whole_pixels(cells: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Cells `(n, k, 2)`, counted from 0, to whole pixels of images, int64.

    The official program adds half a cell, cuts off towards zero and adds one.
    """
    return _apply(np.linalg.inv(matrices), cells).astype(np.int64) + 1


def _apply(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    ones = np.ones((*points.shape[:2], 1))
    whole = np.concatenate([np.asarray(points, np.float64), ones], axis=-1)
    return np.einsum("nij,nkj->nki", matrices, whole)[..., :2]


def window(
    center: np.ndarray, scale: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The window of whole pixels that a crop is made of, int64 x and y.

    Args:
        center: `(2,)`, of the crop in image pixels.
        scale: the crop's side, divided by 200.
        size: of the crop in its own pixels.

    Returns:
        The first pixel, and the one after the last: at least one lies between.
    """
    view = upright(np.asarray(center)[None], np.array([scale]), 1.0)
    corners = np.array([[[-1.0, -1.0], [size - 1.0, size - 1.0]]])
    low, high = whole_pixels(corners, face_matrices(view, size))[0]
    return low, np.maximum(high, low + 1)


def affine_matrices(views: Views, size: int) -> np.ndarray:
    """Maps from image pixels to pixels of square crops, float64 `(n, 2, 3)`."""
    sides = UNIT * views.scales
    matrices = crop_matrix(views.centers, sides, views.rotations, (size, size))
    flips = views.flips
    # Mirroring the image first, x to width - 1 - x, is one more affine map.
    matrices[flips, :, 2] += matrices[flips, :, 0] * (views.widths[flips, None] - 1)
    matrices[flips, :, 0] *= -1
    return matrices


@dataclass(frozen=True)
class FaceGeometry:
    """Between pixels of images and cells of heatmaps.

    Attributes:
        size: of a crop, height and width, in its own pixels.
        stride: crop pixels per heatmap cell.
        rule: how pixels and cells are counted.

    Example:
        ```python
        geometry = FaceGeometry(size=256, stride=4)
        views = upright([[482.5, 164.5]], [0.425], padding=1.25)
        cells = geometry.cells(points, views)  # points (1, 98, 2) of the image
        ```
    """

    size: int = 256
    stride: int = 4
    rule: Rule = "official"

    def cells(self, points: np.ndarray, views: Views) -> np.ndarray:
        """Points of images as they are stored, to cells.

        Args:
            points: `(n, k, 2)`, x and y in image pixels, in the order that they have
                after mirroring.
            views: how the faces are looked at.

        Returns:
            float64 `(n, k, 2)`; whole numbers under the official rule.
        """
        if self.rule == "official":
            matrices = face_matrices(views, self.size // self.stride)
            points = mirrored(points, views)
            return whole_cells(points, matrices).astype(np.float64)
        pixels = transform(points, affine_matrices(views, self.size))
        return (pixels + 0.5) / self.stride - 0.5

    def to_image(self, cells: np.ndarray, views: Views) -> np.ndarray:
        """Cells `(n, k, 2)` of upright views to pixels of the images, float64."""
        if self.rule == "official":
            matrices = face_matrices(views, self.size // self.stride)
            return whole_pixels(cells + 0.5, matrices).astype(np.float64)
        pixels = self.crop_pixels(cells)
        return transform(pixels, invert(affine_matrices(views, self.size)))

    def crop_pixels(self, cells: np.ndarray) -> np.ndarray:
        """Cells `(..., 2)` to pixels of the crop."""
        return (np.asarray(cells) + 0.5) * self.stride - 0.5
