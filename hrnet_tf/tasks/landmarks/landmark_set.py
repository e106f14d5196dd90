"""What indices mean: sets of facial landmarks, as data."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.name_sets import as_pairs
from hrnet_tf.tasks.keypoints.named_points import NamedPoints

FOLDER = Path(__file__).parent / "landmark_sets"


@dataclass(frozen=True)
class LandmarkSet(NamedPoints):
    """The landmarks of one way to annotate faces.

    Attributes:
        name: what the set is called.
        names: the landmarks, in the order in which they are annotated.
        flip_pairs: what a mirror exchanges; here and below names or their indices, from
            0 (a name wins).
        contours: what to join by lines, one list a line; one that ends where it begins
            is closed.
        normaliser: two landmarks (such as the outer corners of the eyes) whose distance
            a face's errors are divided by; empty: the side of its box.
        category: the COCO category that carries these landmarks; None: the only one.

    Raises:
        InputError: if a name is unknown or occurs twice, or a list has another length.

    Example:
        ```python
        wflw = LandmarkSet.read("wflw")
        wflw.names[wflw.mirror[96]]  # "left_pupil"; 96 is "right_pupil"
        ```
    """

    KIND: ClassVar[str] = "landmark"
    FOLDER: ClassVar[Path] = FOLDER

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    contours: tuple[tuple[str, ...], ...] = ()
    normaliser: tuple[str, ...] = ()
    category: str | None = None

    def _settle(self) -> None:
        contours = []
        for contour in self.contours:  # lists from YAML and JSON
            if not isinstance(contour, (list, tuple)) or len(contour) < 2:
                raise InputError(
                    f"`contours` must hold lists of two names or more, got {contour!r}"
                )
            contours.append(self._names_in(contour, "contours"))
        object.__setattr__(self, "contours", tuple(contours))
        if self.normaliser:
            given = [self.normaliser]
            (ends,) = as_pairs(given, self.names, "normaliser", self.KIND)
            object.__setattr__(self, "normaliser", ends)

    @cached_property
    def lines(self) -> tuple[np.ndarray, ...]:
        """The contours as indices, int64 `(points,)` each."""
        return tuple(
            np.array([self.names.index(name) for name in contour])
            for contour in self.contours
        )

    @cached_property
    def ends(self) -> tuple[int, int] | None:
        """The normaliser as indices; None: the box."""
        if not self.normaliser:
            return None
        first, second = self.normaliser
        return self.names.index(first), self.names.index(second)
