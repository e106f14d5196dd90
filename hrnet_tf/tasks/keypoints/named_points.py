"""What sets of keypoints and of landmarks have in common."""

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

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

P = TypeVar("P", bound="NamedPoints")


class NamedPoints:
    """Points with names, some of which a mirror exchanges; for frozen dataclasses.

    Attributes:
        KIND: what one point is, in a word.
        FOLDER: of the shipped sets.
        name: what the set is called.
        names: the points, in the order in which they are annotated.
        flip_pairs: what a mirror exchanges.
        category: the COCO category that carries them; None: the only one.
    """

    KIND: ClassVar[str]
    FOLDER: ClassVar[Path]
    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    category: str | None

    def __post_init__(self):
        try:
            check_names(self.names, self.KIND)
            self._settle_pairs("flip_pairs")
            check_flips(self.flip_pairs)
            self._settle()
        except InputError as error:
            end = "" if str(error).endswith("?") else "."
            kind = self.KIND.capitalize()
            raise InputError(f"{kind} set {self.name}: {error}{end}") from None

    def _settle(self) -> None:
        """Check what else the set says, and put names where there may be indices.

        Raises:
            InputError: if something is wrong, without the set's name and a full stop.
        """

    def _settle_pairs(self, key: str) -> None:
        """Have a field hold pairs of names, whatever YAML and JSON have given."""
        pairs = as_pairs(getattr(self, key), self.names, key, self.KIND)
        object.__setattr__(self, key, pairs)

    def _names_in(self, entries: Any, key: str) -> tuple[str, ...]:
        """Entries of a field, names or indices, as names."""
        return tuple(as_name(entry, self.names, key, self.KIND) for entry in entries)

    @classmethod
    def read(cls: type[P], source: str | Path) -> P:
        """A shipped set by its name, or any set from a YAML file.

        Args:
            source: such as `coco` of keypoints or `wflw` of landmarks, or a path.

        Raises:
            InputError: if there is neither, or the file does not hold a valid set.
        """
        path = find_set(source, cls.FOLDER, f"{cls.KIND} set", "a YAML file")
        return read_typed(cls, path)

    @classmethod
    def read_like(cls: type[P], source: str | Path, own: P) -> P:
        """The set that a configuration names, if it has the names of a model's.

        Args:
            source: what stands under `data.keypoints` or `data.landmarks`.
            own: the model's.

        Raises:
            InputError: if it has others, or as `read` does.
        """
        found = cls.read(source)
        if found.names != own.names:
            raise InputError(
                f"`data.{cls.KIND}s` ({source}) must name the model's {cls.KIND}s, the "
                f"{len(own)} of {own.name}, got {len(found)} others."
            )
        return found

    @classmethod
    def read_for(cls: type[P], source: str | Path, count: float, file: Path) -> P:
        """The set of a checkpoint's network.

        Args:
            source: what `--labels` names.
            count: how many points the network finds.
            file: the checkpoint, for errors.

        Raises:
            InputError: if the set has another number of points, or as `read` does.
        """
        found = cls.read(source)
        if len(found) != count:
            raise InputError(
                f"{file} finds {count:g} {cls.KIND}s, the set {found.name} has "
                f"{len(found)}; name another set or its YAML file with --labels."
            )
        return found

    @cached_property
    def mirror(self) -> np.ndarray:
        """int64 `(points,)`: where each index goes in a mirror."""
        return order_in_mirror(self.names, self.flip_pairs)

    def __len__(self) -> int:
        return len(self.names)
