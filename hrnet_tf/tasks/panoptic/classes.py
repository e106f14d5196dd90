"""The classes of things and stuff that pixels may have, as data."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.name_sets import as_name, check_names
from hrnet_tf.images.boxes import shortened
from hrnet_tf.tasks.keypoints.coco_checks import is_id
from hrnet_tf.tasks.panoptic.segments import VOID_CLASS

SHADES = 5  # of a class's colour, that things beside one another have


@dataclass(frozen=True)
class PanopticClasses:
    """The classes that pixels may have.

    Attributes:
        names: the classes; a label is an index of them.
        things: those whose instances are told apart, such as `person`; names, or their
            indices from 0 (a name wins). The others are stuff.
        ids: the number of each class in files of COCO's format; empty: its index.
        palette: a colour for each class, red, green and blue, 0..255; empty: colours
            far apart.

    Raises:
        InputError: if a name is unknown or occurs twice, or a list has another length.

    Example:
        ```python
        classes = PanopticClasses(("sky", "road", "car"), things=("car",))
        classes.are_things  # [False, False, True]
        ```
    """

    names: tuple[str, ...]
    things: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self):
        if len(self.names) >= VOID_CLASS:
            raise InputError(
                f"There may be {VOID_CLASS - 1} classes, got {len(self.names)}."
            )
        try:
            check_names(self.names, "class")
            things = [
                as_name(each, self.names, "things", "class") for each in self.things
            ]
        except InputError as error:
            raise InputError(f"Panoptic classes: {error}.") from None
        object.__setattr__(self, "things", tuple(things))
        object.__setattr__(self, "palette", tuple(map(tuple, self.palette)))
        for key in ("ids", "palette"):
            count = len(getattr(self, key))
            if count not in (0, len(self.names)):
                raise InputError(
                    f"Panoptic classes: `{key}` must hold one entry for each of "
                    f"{len(self.names)} `names`, or none, got {count}."
                )
        if len(set(self.ids)) < len(self.ids):
            raise InputError("Panoptic classes: `ids` must hold each number once.")

    @classmethod
    def of_categories(cls, categories: Any, where: str) -> "PanopticClasses":
        """The classes of a file in COCO's panoptic format.

        Args:
            categories: its list of `id`, `name`, `isthing` and perhaps `color`.
            where: names the file in errors.

        Raises:
            InputError: if an entry lacks something, or two are the same.
        """
        if not isinstance(categories, list) or not categories:
            raise InputError(
                f"{where} is not in COCO's panoptic format: it has no list "
                "`categories`."
            )
        for entry in categories:
            told = shortened(str(entry))
            if not isinstance(entry, dict) or not is_id(entry.get("id")):
                raise InputError(
                    f"{where}: an entry of `categories` must have an integer as `id`: "
                    f"{told}."
                )
            if not isinstance(entry.get("name"), str):
                raise InputError(
                    f"{where}: an entry of `categories` has no `name`: {told}."
                )
            if entry.get("isthing") not in (0, 1):
                raise InputError(
                    f"{where}: `isthing` of category {entry['id']} must be 1 (a thing) "
                    f"or 0 (stuff), got {entry.get('isthing')!r}."
                )
        colors = [entry.get("color") for entry in categories]
        try:
            return cls(
                tuple(entry["name"] for entry in categories),
                tuple(entry["name"] for entry in categories if entry["isthing"]),
                tuple(entry["id"] for entry in categories),
                tuple(map(tuple, colors)) if all(map(_is_color, colors)) else (),
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    @cached_property
    def are_things(self) -> np.ndarray:
        """Whether each class has instances, bool `(classes,)`."""
        return np.array([name in self.things for name in self.names])

    @cached_property
    def label_of(self) -> dict[int, int]:
        """The label of each number in files."""
        return {number: label for label, number in enumerate(self.file_ids)}

    @property
    def file_ids(self) -> tuple[int, ...]:
        """The number of each class in files."""
        return self.ids or tuple(range(len(self.names)))

    @cached_property
    def colors(self) -> np.ndarray:
        """uint8 `(classes, 3)`: red, green and blue of each class."""
        if self.palette:
            return np.array(self.palette, np.uint8)
        return np.array([_color(label) for label in range(len(self))], np.uint8)

    def categories(self) -> list[dict[str, Any]]:
        """The list of a file in COCO's panoptic format."""
        return [
            {
                "id": number,
                "name": name,
                "isthing": int(name in self.things),
                "color": color.tolist(),
            }
            for number, name, color in zip(
                self.file_ids, self.names, self.colors, strict=True
            )
        ]

    def __len__(self) -> int:
        return len(self.names)


def shades(color: Sequence[int], number: int) -> tuple[int, int, int]:
    """The colour of a thing: that of its class, lighter or darker by its number."""
    hue, light, strong = colorsys.rgb_to_hls(*(value / 255 for value in color))
    step = (number * 2 % SHADES) / (SHADES - 1)  # the next one is not the next shade
    light = 0.35 + 0.4 * step if number else light
    found = colorsys.hls_to_rgb(hue, light, max(strong, 0.35) if number else strong)
    red, green, blue = (round(255 * value) for value in found)
    return red, green, blue


def _color(label: int) -> tuple[int, ...]:
    """Of a class: far from that of the ones before, by the golden ratio."""
    hue = (0.02 + label * (5**0.5 - 1) / 2) % 1
    found = colorsys.hls_to_rgb(hue, (0.45, 0.6)[label // 5 % 2], 0.7)
    return tuple(round(255 * value) for value in found)


def _is_color(color: Any) -> bool:
    whole = isinstance(color, list) and len(color) == 3
    return whole and all(is_id(value) and 0 <= value <= 255 for value in color)
