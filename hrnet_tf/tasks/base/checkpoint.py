"""What tells a network of the family by its checkpoint, and what its files become."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_names
from hrnet_tf.images.preprocess import ColorOrder
from hrnet_tf.tasks.base.manifest import TaskManifest


@dataclass(frozen=True)
class Head:
    """A kind of head, told by a tensor that no other has.

    Attributes:
        tensor: the tensor; its first length is the number of outputs.
        argument: what the constructor calls the number of outputs; "": it has none.
        rank: how many axes the tensor has.
        names: the layers of the head begin with one of these.
        each: outputs for each that the constructor counts, such as 2 for a heatmap and
            a tag.
        beside: outputs that it does not count, such as one for what is of no class.
        arguments: further arguments of the constructor.
        renamed: names of layers in checkpoints to those of the model, where they
            differ.
        asked_for: whether another network has this tensor too, so that this one is
            meant only where it is named.
        likely: numbers, as the constructor counts, at which a line says that this
            network may be meant too.
    """

    tensor: str
    argument: str
    rank: int
    names: tuple[str, ...]
    each: int = 1
    beside: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    asked_for: bool = False
    likely: tuple[int, ...] = ()


@dataclass(frozen=True)
class Given:
    """A checkpoint, as far as constructors ask.

    Attributes:
        path: the file.
        stored: names of its tensors, as they are in the file.
        tensors: the tensors under their official names.
        align_corners: the corner rule that the user has given.
    """

    path: Path
    stored: tuple[str, ...]
    tensors: Mapping[str, np.ndarray]
    align_corners: bool | None


def no_more(given: Given) -> dict[str, Any]:
    """What a constructor takes that only its checkpoints tell: nothing."""
    return {}


def as_they_are(tensors: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Tensors of a program that has the official names and meanings: the same."""
    return dict(tensors)


def rgb(stored: Sequence[str]) -> ColorOrder:
    """The order of colours that nearly all networks take."""
    return "RGB"


# Variant (the width, if nothing else is said), modules and blocks, as a constructor
# takes them.
Numbers = tuple[int | str, tuple[int, ...], int | None]

# Of title, input, arguments of the constructor, `--labels`, and the model's file.
ManifestMaker = Callable[..., TaskManifest]


@dataclass(frozen=True)
class NetworkKind:
    """A network of the family, as checkpoints hold it.

    Attributes:
        constructor: builds it.
        task: what it is for, in a word or two.
        heads: its heads.
        more: further arguments that a checkpoint tells.
        manifest: the facts of a converted one, for exports; None: it has none yet.
        encodings: what its answers may be encoded by, the usual way first; `manifest`
            takes one as `encoding`, if there are any.
        for_bodies: whether a body alone is built by this constructor, without a head.
        translate: tensors under their official names, and what names their file in
            errors, to those of this network, where programs differ in more than names;
            those of other networks stay as they are. It refuses networks that look like
            this one and are none.
        numbers: reads variant, modules and blocks off the tensors of a body that is not
            HRNet's, and None off all others; None: the body is HRNet's.
        variant: what the constructor calls the variant.
        color_order: the order of colours that a checkpoint's network takes, by the
            names of the file's tensors.
    """

    constructor: Callable[..., keras.Model]
    task: str
    heads: tuple[Head, ...]
    more: Callable[[Given], dict[str, Any]] = no_more
    manifest: ManifestMaker | None = None
    encodings: tuple[str, ...] = ()
    for_bodies: bool = False
    translate: Callable[[Mapping[str, np.ndarray], str], dict[str, np.ndarray]] = (
        as_they_are
    )
    numbers: Callable[[Mapping[str, np.ndarray], str], Numbers | None] | None = None
    variant: str = "width"
    color_order: Callable[[Sequence[str]], ColorOrder] = rgb

    @property
    def name(self) -> str:
        """Of the constructor."""
        return self.constructor.__name__


def check_class_set(name: str, found: int, count: int) -> None:
    """Raise an InputError unless a set of classes has as many as the model."""
    if found != count:
        raise InputError(
            f"The class set {name} has {found} classes, the model has {count}; name "
            "another set or its file with --labels."
        )


def class_names(file: str | None, count: int) -> tuple[str, ...]:
    """Names of the classes of a converted checkpoint.

    Args:
        file: a name a line; None: they are numbered.
        count: how many there must be.

    Raises:
        InputError: if there are others.
    """
    if file is None:
        return tuple(f"class {number}" for number in range(count))
    names = read_names(file, unique=False)  # two of ImageNet's are called crane
    if len(names) != count:
        raise InputError(
            f"{file} names {len(names)} classes, the model has {count}; it must hold "
            "one name a line."
        )
    return names
