"""What indices mean: sets of keypoints, as data."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hrnet_tf.errors import InputError
from hrnet_tf.name_sets import find_set, nearest_name, order_in_mirror
from hrnet_tf.typed_yaml import read_typed

FOLDER = Path(__file__).parent / "keypoint_sets"


@dataclass(frozen=True)
class KeypointSet:
    """The keypoints of one kind of object.

    Attributes:
        name: what the set is called.
        names: the keypoints, in the order in which they are annotated.
        flip_pairs: names that a mirror exchanges.
        sigmas: how far annotators scatter, as a share of the object's size (COCO's
            OKS).
        skeleton: names to join by a line.
        upper_body: names that half-body augmentation keeps together; empty: none.
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
        for key in ("flip_pairs", "skeleton"):  # lists from YAML and JSON
            object.__setattr__(
                self, key, tuple(tuple(pair) for pair in getattr(self, key))
            )
        if not self.names or len(set(self.names)) != len(self.names):
            self._refuse("`names` must hold each keypoint once, and at least one")
        for key in ("flip_pairs", "skeleton"):
            for pair in getattr(self, key):
                if len(pair) != 2 or pair[0] == pair[1]:
                    self._refuse(
                        f"`{key}` must hold pairs of two names, got {list(pair)}"
                    )
                self._check_known(key, pair)
        self._check_known("upper_body", self.upper_body)
        flipped = [name for pair in self.flip_pairs for name in pair]
        if len(set(flipped)) != len(flipped):
            twice = next(name for name in flipped if flipped.count(name) > 1)
            self._refuse(
                f"`flip_pairs` names {twice} twice; a mirror exchanges it with one "
                "other"
            )
        for key, needed in (("sigmas", True), ("weights", bool(self.weights))):
            values = getattr(self, key)
            good = all(0 < value < math.inf for value in values)
            if needed and (len(values) != len(self.names) or not good):
                self._refuse(
                    f"`{key}` must hold {len(self.names)} positive numbers, one for "
                    f"each of `names`, got {len(values)}: {list(values)}"
                )

    def _check_known(self, key: str, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self.names:
                near = nearest_name(name, self.names)
                self._refuse(
                    f"`{key}` names an unknown keypoint {name}; did you mean {near}?"
                )

    def _refuse(self, problem: str) -> None:
        raise InputError(f"Keypoint set {self.name}: {problem}.")

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
