"""What labels of pixels mean: sets of classes, as data."""

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
from hrnet_tf.common.text_files import read_names
from hrnet_tf.common.typed_yaml import read_typed

FOLDER = Path(__file__).parent / "class_sets"

IGNORED = 255  # the label of pixels that do not count
UNKNOWN = 254  # what `ClassSet.lookup` makes of values that mean nothing
VALUES = 1 << 16  # of a mask, 16 bits at most


@dataclass(frozen=True)
class ClassSet:
    """The classes that pixels may have.

    Attributes:
        name: what the set is called.
        names: the classes; a label is an index of them.
        palette: a colour for each class, red, green and blue, 0..255; empty: those of
            PASCAL VOC.
        ids: the value of each class in mask files; empty: its index.
        ignored_ids: values in mask files that do not count. 255 never does.
        flip_pairs: what a mirror exchanges: names, or their indices from 0 (a name
            wins).
        weights: what each class counts in training if the configuration asks for it;
            empty: all the same.
        background: the class that pictures leave uncoloured; None: the one that is
            called background, if there is one.

    Raises:
        InputError: if a name is unknown or occurs twice, a value means two things, or a
            list has another length.

    Example:
        ```python
        cityscapes = ClassSet.read("cityscapes")
        cityscapes.names[cityscapes.lookup[26]]  # "car"; its value in files is 26
        ```
    """

    name: str
    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...] = ()
    ids: tuple[int, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    flip_pairs: tuple[tuple[str, str], ...] = ()
    weights: tuple[float, ...] = ()
    background: str | None = None

    def __post_init__(self):
        rows = tuple(tuple(row) for row in self.palette)  # lists from YAML and JSON
        object.__setattr__(self, "palette", rows)
        if len(self.names) > UNKNOWN:
            self._refuse(
                f"`names` must hold at most {UNKNOWN} classes, got {len(self.names)}"
            )
        try:
            check_names(self.names, "class")
            pairs = as_pairs(self.flip_pairs, self.names, "flip_pairs", "class")
            check_flips(pairs)
            if self.background is not None:
                name = as_name(self.background, self.names, "background", "class")
                object.__setattr__(self, "background", name)
        except InputError as error:
            self._refuse(str(error))
        object.__setattr__(self, "flip_pairs", pairs)
        for key in ("palette", "ids", "weights"):
            count = len(getattr(self, key))
            if count not in (0, len(self.names)):
                self._refuse(
                    f"`{key}` must hold one entry for each of {len(self.names)} "
                    f"`names`, or none, got {count}"
                )
        for color in self.palette:
            if len(color) != 3 or not all(_is_whole(value, 256) for value in color):
                self._refuse(
                    "`palette` must hold colours of three integers from 0 to 255, got "
                    f"{list(color)}"
                )
        for weight in self.weights:
            if not 0 <= weight < math.inf:
                self._refuse(f"`weights` must not be negative, got {weight}")
        self._check_values()

    def _check_values(self) -> None:
        for key in ("ids", "ignored_ids"):
            for value in getattr(self, key):
                if not _is_whole(value, VALUES):
                    self._refuse(
                        f"`{key}` must hold integers from 0 to {VALUES - 1}, got "
                        f"{value}"
                    )
        owners: dict[int, str] = {}
        for value, name in zip(self._values, self.names, strict=True):
            if value in (IGNORED, *self.ignored_ids):
                self._refuse(
                    f"the value {value} stands for {name}, yet does not count; take it "
                    f"out of `ignored_ids` (but {IGNORED} never counts)"
                )
            if value in owners:
                self._refuse(
                    f"`ids` gives {owners[value]} and {name} the same value {value}"
                )
            owners[value] = name

    def _refuse(self, problem: str) -> None:
        end = "" if problem.endswith("?") else "."
        raise InputError(f"Class set {self.name}: {problem}{end}")

    @classmethod
    def read(cls, source: str | Path) -> "ClassSet":
        """A shipped set by its name (such as `cityscapes`), or any set from a file.

        Args:
            source: a name; a YAML file; or a `.txt` file with the name of a class in
                each line, in the order of their values in masks, from 0.

        Raises:
            InputError: if there is none, or the file does not hold a valid set.
        """
        files = "a YAML file, of a .txt file with a name in each line,"
        path = find_set(source, FOLDER, "class set", files)
        if path.suffix.lower() != ".txt":
            return read_typed(cls, path)
        names = read_names(path)
        try:
            return cls(path.stem, names)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    @property
    def _values(self) -> tuple[int, ...]:
        return self.ids or tuple(range(len(self.names)))

    @cached_property
    def lookup(self) -> np.ndarray:
        """uint8 `(65536,)`: values in mask files to labels.

        `IGNORED` for values that do not count, `UNKNOWN` for those that mean nothing.
        """
        table = np.full(VALUES, UNKNOWN, np.uint8)
        table[list(self._values)] = np.arange(len(self.names))
        table[[IGNORED, *self.ignored_ids]] = IGNORED
        return table

    @cached_property
    def mirror(self) -> np.ndarray:
        """int64 `(classes,)`: where each index goes in a mirror."""
        return order_in_mirror(self.names, self.flip_pairs)

    @cached_property
    def background_index(self) -> int | None:
        """Which class pictures leave uncoloured, if any; see `background`."""
        if self.background is not None:
            return self.names.index(self.background)
        called = [name.strip("_ ").casefold() for name in self.names]
        return called.index("background") if "background" in called else None

    @cached_property
    def colors(self) -> np.ndarray:
        """uint8 `(classes, 3)`: red, green and blue of each class."""
        if self.palette:
            return np.array(self.palette, np.uint8)
        return _voc_palette(len(self.names))

    def __len__(self) -> int:
        return len(self.names)


def _is_whole(value: object, limit: int) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and 0 <= value < limit  # type: ignore[operator]


def _voc_palette(count: int) -> np.ndarray:
    """Colours far apart: the bits of an index, dealt out to the channels in turn."""
    index = np.arange(count)[:, None] >> np.arange(3)
    palette = np.zeros((count, 3), np.uint8)
    for place in range(8):
        palette |= ((index >> 3 * place & 1) << 7 - place).astype(np.uint8)
    return palette
