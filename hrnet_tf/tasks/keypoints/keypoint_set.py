"""What indices mean: sets of keypoints, as data."""

import math
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

FOLDER = Path(__file__).parent / "keypoint_sets"


@dataclass(frozen=True)
class KeypointSet:
    """The keypoints of one kind of object.

    Attributes:
        name: what the set is called.
        names: the keypoints, in the order in which they are annotated.
        flip_pairs: what a mirror exchanges; here and in `skeleton` and `upper_body`,
            names or their indices, from 0 (a name wins).
        sigmas: how far annotators scatter, as a share of the object's size (COCO's
            OKS).
        skeleton: what to join by a line.
        upper_body: what half-body augmentation keeps together; empty: none.
        weights: what each keypoint counts in training; empty: all the same.
        category: the COCO category that carries these keypoints; None: the only one.

    Raises:
        InputError: if a name is unknown or occurs twice, or a list has another length.

    Example:
        ```python
        coco = KeypointSet.read("coco")
        coco.names[coco.mirror[9]]  # "right_wrist"; 9 is "left_wrist"
        ```
    """

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    skeleton: tuple[tuple[str, str], ...] = ()
    upper_body: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    category: str | None = None

    def __post_init__(self):
        try:
            self._settle_names()
        except InputError as error:
            self._refuse(str(error))
        for key, needed in (("sigmas", True), ("weights", bool(self.weights))):
            values = getattr(self, key)
            good = all(0 < value < math.inf for value in values)
            if needed and (len(values) != len(self.names) or not good):
                self._refuse(
                    f"`{key}` must hold {len(self.names)} positive numbers, one for "
                    f"each of `names`, got {len(values)}: {list(values)}"
                )

    def _settle_names(self) -> None:
        check_names(self.names, "keypoint")
        for key in ("flip_pairs", "skeleton"):  # lists from YAML and JSON
            pairs = as_pairs(getattr(self, key), self.names, key, "keypoint")
            object.__setattr__(self, key, pairs)
        upper = tuple(
            as_name(entry, self.names, "upper_body", "keypoint")
            for entry in self.upper_body
        )
        object.__setattr__(self, "upper_body", upper)
        check_flips(self.flip_pairs)

    def _refuse(self, problem: str) -> None:
        end = "" if problem.endswith("?") else "."
        raise InputError(f"Keypoint set {self.name}: {problem}{end}")

    @classmethod
    def read(cls, source: str | Path) -> "KeypointSet":
        """A shipped set by its name (such as `coco`), or any set from a YAML file.

        Raises:
            InputError: if there is neither, or the file does not hold a valid set.
        """
        path = find_set(source, FOLDER, "keypoint set", "a YAML file")
        return read_typed(cls, path)

    @cached_property
    def mirror(self) -> np.ndarray:
        """int64 `(keypoints,)`: where each index goes in a mirror."""
        return order_in_mirror(self.names, self.flip_pairs)

    @cached_property
    def bones(self) -> np.ndarray:
        """int64 `(lines, 2)`: the skeleton as indices."""
        pairs = [(self.names.index(a), self.names.index(b)) for a, b in self.skeleton]
        return np.array(pairs, np.int64).reshape(-1, 2)

    @cached_property
    def upper(self) -> np.ndarray:
        """Bool `(keypoints,)`: which belong to the upper body."""
        return np.isin(self.names, self.upper_body)

    def __len__(self) -> int:
        return len(self.names)
