"""What the labels of boxes mean: sets of classes of objects, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.name_sets import check_names, find_set
from hrnet_tf.common.text_files import read_names
from hrnet_tf.common.typed_yaml import read_typed
from hrnet_tf.images.boxes import shortened

FOLDER = Path(__file__).parent / "class_sets"


@dataclass(frozen=True)
class ObjectClasses:
    """The classes that objects may have.

    Attributes:
        name: what the set is called.
        names: the classes; a label is an index of them.
        ids: the category id of each class in COCO files; empty: they are found by their
            names, and written as 1, 2, ...

    Raises:
        InputError: if a name or an id occurs twice.

    Example:
        ```python
        coco = ObjectClasses.read("coco")
        coco.names[coco.label_of[90]]  # "toothbrush", label 79
        ```
    """

    name: str
    names: tuple[str, ...]
    ids: tuple[int, ...] = ()

    def __post_init__(self):
        try:
            check_names(self.names, "class")
        except InputError as error:
            self._refuse(str(error))
        if self.ids and len(self.ids) != len(self.names):
            self._refuse(
                f"`ids` must hold one entry for each of {len(self.names)} `names`, or "
                f"none, got {len(self.ids)}"
            )
        if len(set(self.ids)) < len(self.ids):
            self._refuse(f"`ids` must differ, got {shortened(str(list(self.ids)))}")

    def _refuse(self, problem: str) -> None:
        raise InputError(f"Class set {self.name}: {problem}.")

    @classmethod
    def read(cls, source: str | Path) -> "ObjectClasses":
        """A shipped set by its name (such as `coco`), or any set from a file.

        Args:
            source: a name; a YAML file; or a `.txt` file with the name of a class in
                each line, in the order of their labels.

        Raises:
            InputError: if there is none, or the file does not hold a valid set.
        """
        files = "a YAML file, of a .txt file with a name in each line,"
        path = find_set(source, FOLDER, "class set", files)
        if path.suffix.lower() != ".txt":
            return read_typed(cls, path)
        return cls(path.stem, read_names(path))

    @classmethod
    def of_categories(
        cls, categories: Mapping[int, Mapping[str, Any]], where: str
    ) -> "ObjectClasses":
        """The classes of a COCO file: its categories, by ascending ids.

        Args:
            categories: by their ids, with a `name` each.
            where: the file.

        Raises:
            InputError: if there is none, or two have one name.
        """
        if not categories:
            raise InputError(
                f"{where}: `categories` is empty; it must name each class of objects."
            )
        ids = sorted(categories)
        names = [categories[number]["name"] for number in ids]
        if wrong := [name for name in names if not isinstance(name, str)]:
            raise InputError(
                f"{where}: names of categories must be text, got {wrong[0]!r}."
            )
        try:
            return cls(Path(where).stem, tuple(names), tuple(ids))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    @cached_property
    def category_ids(self) -> tuple[int, ...]:
        """The category id of each class in COCO results."""
        return self.ids or tuple(range(1, len(self.names) + 1))

    @cached_property
    def label_of(self) -> dict[int, int]:
        """Labels by category ids."""
        return {number: label for label, number in enumerate(self.category_ids)}

    def of_file(self, found: "ObjectClasses", where: str) -> "ObjectClasses":
        """These classes with the category ids that a file gives them.

        Args:
            found: the categories of the file; it may have more of them.
            where: the file.

        Raises:
            InputError: if a class is not among them, or its id is another one's.
        """
        names = dict(zip(found.category_ids, found.names, strict=True))
        ids = {name: number for number, name in names.items()}
        for label, name in enumerate(self.names):
            stated = self.ids[label] if self.ids else ids.get(name)
            if stated is None or names.get(stated) != name:
                there = names.get(stated, "not there") if stated is not None else ""
                raise InputError(
                    f"{where}: its categories have no {name}"
                    + (f" with id {stated} (that is {there})" if self.ids else "")
                    + f", which the class set {self.name} names; data.classes must "
                    "name classes that the annotations have."
                )
        return replace(self, ids=tuple(ids[name] for name in self.names))

    def __len__(self) -> int:
        return len(self.names)
