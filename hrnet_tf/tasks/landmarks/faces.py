"""Annotated faces: what readers give, and in columns what training and judging take."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import Box
from hrnet_tf.tasks.landmarks.geometry import UNIT
from hrnet_tf.tasks.landmarks.matlab_images import MatlabImages


@dataclass
class Face:
    """One annotated face.

    Attributes:
        file: path of its image; "": it is in `Faces.archive`.
        source: what to call it in messages, such as `line 12 of list.txt`.
        points: float64 `(k, 3)`, x, y in image pixels and weight (0: not annotated).
        center: x and y of the middle of its annotated box; None: there is none.
        scale: the box's side, divided by 200.
        side: what the set says the side of its box is, in image pixels; None: that of
            the box.
        image_id: of its image, where images have ids.
        size: height and width of its image, as far as they are annotated; else zeros.
        number: of its image in an archive.
        subsets: names of the subsets that it belongs to.
    """

    file: str
    source: str
    points: np.ndarray
    center: tuple[float, float] | None = None
    scale: float = 0.0
    side: float | None = None
    image_id: int | None = None
    size: tuple[int, int] = (0, 0)
    number: int = 0
    subsets: tuple[str, ...] = ()

    def take_box(self, box: Box) -> None:
        """Look at it in this box: x, y, width, height in image pixels."""
        x, y, width, height = box
        self.center = (x + width / 2, y + height / 2)
        self.scale = max(width, height) / UNIT

    def box_around(self) -> Box:
        """The smallest box of whole pixels around its annotated points.

        Source: the official code's rule for COFW, which the boxes in its tables of
        300W and WFLW follow too.
        """
        points = self.points[self.points[:, 2] > 0, :2]
        low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
        width, height = high - low
        return float(low[0]), float(low[1]), float(width), float(height)


@dataclass(frozen=True)
class Faces:
    """Samples of facial landmarks: one row a face.

    Attributes:
        files: `(n,)`, path of each face's image; "": it is in `archive`.
        numbers: int64 `(n,)`, of the images in it.
        sources: `(n,)`, what to call each sample in messages.
        image_sizes: int64 `(n, 2)`, height and width as annotated; 0: not known.
        centers: float32 `(n, 2)`, middles of the boxes in image pixels.
        scales: float64 `(n,)`, sides of the boxes, divided by 200.
        points: float64 `(n, k, 3)`, x, y in image pixels and weight (0: not annotated).
        sides: float64 `(n,)`, of the boxes that errors may be divided by, in pixels.
        subsets: bool `(n,)` by the name of a subset.
        archive: images that are in no files of their own.
    """

    files: np.ndarray
    numbers: np.ndarray
    sources: np.ndarray
    image_sizes: np.ndarray
    centers: np.ndarray
    scales: np.ndarray
    points: np.ndarray
    sides: np.ndarray
    subsets: dict[str, np.ndarray] = field(default_factory=dict)
    archive: MatlabImages | None = None

    def __len__(self) -> int:
        return len(self.files)

    @property
    def boxes(self) -> np.ndarray:
        """Square boxes, x, y, width, height in image pixels, float64 `(n, 4)`."""
        sides = UNIT * self.scales[:, None]
        return np.concatenate(
            [self.centers - sides / 2, np.repeat(sides, 2, axis=1)], axis=1
        )

    @property
    def images(self) -> np.ndarray:
        """`(n,)`, equal for faces of the same image."""
        pairs = zip(self.files, self.numbers, strict=True)
        return np.array([f"{file}#{number}" for file, number in pairs])


def with_weights(points: np.ndarray) -> np.ndarray:
    """Points `(k, 2)` that are all annotated, as `(k, 3)`."""
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def check_face(face: Face) -> None:
    """Raise an InputError unless there is something to learn of a face, and a box."""
    if not (face.points[:, 2] > 0).any():
        raise InputError("none of its points is annotated")
    if face.center is None:
        return
    if not np.isfinite([*face.center, face.scale]).all():
        raise InputError(f"its box is not finite: {face.center}, scale {face.scale}")
    if face.scale <= 0:
        raise InputError(f"its box has no area (scale {face.scale:g})")


def columns(faces: Sequence[Face], archive: MatlabImages | None) -> Faces:
    """Faces with boxes, in columns."""
    names = dict.fromkeys(name for face in faces for name in face.subsets)
    scales = np.array([face.scale for face in faces], np.float64)
    sides = [
        UNIT * face.scale if face.side is None else float(face.side) for face in faces
    ]
    return Faces(
        np.array([face.file for face in faces]),
        np.array([face.number for face in faces], np.int64),
        np.array([face.source for face in faces]),
        np.array([face.size for face in faces], np.int64).reshape(-1, 2),
        np.array([face.center for face in faces], np.float32).reshape(-1, 2),
        scales,
        np.stack([face.points for face in faces]),
        np.array(sides, np.float64),
        {
            name: np.array([name in face.subsets for face in faces], bool)
            for name in names
        },
        archive,
    )
