"""What indices mean: sets of keypoints, as data."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.keypoints.named_points import NamedPoints

FOLDER = Path(__file__).parent / "keypoint_sets"


@dataclass(frozen=True)
class KeypointSet(NamedPoints):
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

    KIND: ClassVar[str] = "keypoint"
    FOLDER: ClassVar[Path] = FOLDER

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    skeleton: tuple[tuple[str, str], ...] = ()
    upper_body: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    category: str | None = None

    def _settle(self) -> None:
        self._settle_pairs("skeleton")
        object.__setattr__(
            self, "upper_body", self._names_in(self.upper_body, "upper_body")
        )
        for key, needed in (("sigmas", True), ("weights", bool(self.weights))):
            values = getattr(self, key)
            good = all(0 < value < math.inf for value in values)
            if needed and (len(values) != len(self.names) or not good):
                raise InputError(
                    f"`{key}` must hold {len(self.names)} positive numbers, one for "
                    f"each of `names`, got {len(values)}: {list(values)}"
                )

    @cached_property
    def bones(self) -> np.ndarray:
        """int64 `(lines, 2)`: the skeleton as indices."""
        pairs = [(self.names.index(a), self.names.index(b)) for a, b in self.skeleton]
        return np.array(pairs, np.int64).reshape(-1, 2)

    @cached_property
    def upper(self) -> np.ndarray:
        """Bool `(keypoints,)`: which belong to the upper body."""
        return np.isin(self.names, self.upper_body)
