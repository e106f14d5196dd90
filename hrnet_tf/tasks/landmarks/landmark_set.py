"""What indices mean: sets of facial landmarks, as data."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.name_sets import (
    as_name,
    as_pairs,
    check_flips,
    check_names,
    find_set,
    order_in_mirror,
)
from hrnet_tf.common.typed_yaml import read_typed

FOLDER = Path(__file__).parent / "landmark_sets"


@dataclass(frozen=True)
class LandmarkSet:
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

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    contours: tuple[tuple[str, ...], ...] = ()
    normaliser: tuple[str, ...] = ()
    category: str | None = None

    def __post_init__(self):
        try:
            self._settle_names()
        except InputError as error:
            end = "" if str(error).endswith("?") else "."
            raise InputError(f"Landmark set {self.name}: {error}{end}") from None

    def _settle_names(self) -> None:
        names = self.names
        check_names(names, "landmark")
        pairs = as_pairs(self.flip_pairs, names, "flip_pairs", "landmark")
        object.__setattr__(self, "flip_pairs", pairs)
        check_flips(pairs)
        contours = []
        for contour in self.contours:  # lists from YAML and JSON
            if not isinstance(contour, (list, tuple)) or len(contour) < 2:
                raise InputError(
                    f"`contours` must hold lists of two names or more, got {contour!r}"
                )
            contours.append(
                tuple(as_name(each, names, "contours", "landmark") for each in contour)
            )
        object.__setattr__(self, "contours", tuple(contours))
        if self.normaliser:
            (ends,) = as_pairs([self.normaliser], names, "normaliser", "landmark")
            object.__setattr__(self, "normaliser", ends)

    @classmethod
    def read(cls, source: str | Path) -> "LandmarkSet":
        """A shipped set by its name (such as `wflw`), or any set from a YAML file.

        Raises:
            InputError: if there is neither, or the file does not hold a valid set.
        """
        path = find_set(source, FOLDER, "landmark set", "a YAML file")
        return read_typed(cls, path)

    @cached_property
    def mirror(self) -> np.ndarray:
        """int64 `(landmarks,)`: where each index goes in a mirror."""
        return order_in_mirror(self.names, self.flip_pairs)

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

    def __len__(self) -> int:
        return len(self.names)
