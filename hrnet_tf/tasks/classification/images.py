"""Labelled images: a folder of folders, or the shards that `hrnet-tf shard` writes."""

import math
import os
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.parts import class_parts
from hrnet_tf.data.problems import Policy, Problems
from hrnet_tf.images.folders import IMAGES, is_clutter, is_image, walk
from hrnet_tf.tasks.classification.shard_index import INDEX, read_index

FEATURES = {
    "image/encoded": tf.io.FixedLenFeature((), tf.string),
    "image/class/label": tf.io.FixedLenFeature((), tf.int64),
    "image/filename": tf.io.FixedLenFeature((), tf.string),
}
SHARDS_AT_ONCE = 16
BUFFER = 2048  # records to shuffle among, on top of the shuffle at writing


class LabelledImages(ABC):
    """Encoded images, each with a class.

    Attributes:
        classes: their names, sorted as Python sorts; a label is an index of it.
        class_counts: int64 `(classes,)`, images of each class.
        in_files: whether each image is a file of its own.
        left_out: a line for each file that is no image or in no class.
    """

    in_files: ClassVar[bool]
    classes: tuple[str, ...]
    class_counts: np.ndarray
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.class_counts.sum())

    @abstractmethod
    def in_order(self) -> tf.data.Dataset:
        """Every image once, always in the same order.

        Returns:
            A data set of int64 index `()`, unique to the image; string name `()`; the
            encoded image, string `()`, empty if `name` is the file that holds it; int32
            label `()`.
        """

    @abstractmethod
    def shuffled(self, *seeds: int | tf.Tensor) -> tf.data.Dataset:
        """Every image once, in an order that follows from `seeds`; see `in_order`."""

    def epoch(
        self, number: int | tf.Tensor, count: int, seed: int = 0
    ) -> tf.data.Dataset:
        """The images of one epoch in random order.

        Args:
            number: of the epoch; each has an order of its own.
            count: how many; every image comes up equally often, give or take one.
            seed: of the order, not negative.

        Returns:
            What `in_order` gives.
        """
        rounds = tf.data.Dataset.range(math.ceil(count / len(self)))
        number = tf.cast(number, tf.int64)
        return rounds.flat_map(lambda turn: self.shuffled(seed, number, turn)).take(
            count
        )


@dataclass(frozen=True, eq=False)
class FolderImages(LabelledImages):
    """Images in files.

    Attributes:
        classes: see `LabelledImages`.
        files: `(n,)`, their paths.
        labels: int32 `(n,)`.
    """

    in_files: ClassVar[bool] = True

    classes: tuple[str, ...]
    files: np.ndarray
    labels: np.ndarray
    left_out: tuple[str, ...] = ()

    @property
    def class_counts(self) -> np.ndarray:  # type: ignore[override]
        """Images of each class, int64 `(classes,)`."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def in_order(self) -> tf.data.Dataset:
        """See `LabelledImages.in_order`."""
        return self._listed(lambda: self._columns(np.arange(len(self))), [])

    def shuffled(self, *seeds: int | tf.Tensor) -> tf.data.Dataset:
        """See `LabelledImages.shuffled`."""

        def draw(*numbers: np.ndarray) -> tuple[np.ndarray, ...]:
            rng = np.random.default_rng([int(number) for number in numbers])
            return self._columns(rng.permutation(len(self)))

        return self._listed(draw, list(seeds))

    def _columns(self, index: np.ndarray) -> tuple[np.ndarray, ...]:
        return index, self.files[index].astype(object), self.labels[index]

    def _listed(self, columns: Any, inputs: list) -> tf.data.Dataset:
        # Listed when it is iterated over: as constants, a million names would be in
        # every graph.
        def listed(_):
            types = [tf.int64, tf.string, tf.int32]
            index, names, labels = tf.numpy_function(columns, inputs, types)
            for column in (index, names, labels):
                column.set_shape((None,))
            encoded = tf.fill(tf.shape(names), "")
            return tf.data.Dataset.from_tensor_slices((index, names, encoded, labels))

        return tf.data.Dataset.range(1).flat_map(listed)


@dataclass(frozen=True, eq=False)
class ShardImages(LabelledImages):
    """Images in TFRecord shards.

    Attributes:
        classes: see `LabelledImages`.
        class_counts: see `LabelledImages`.
        files: `(shards,)`, their paths.
        records: int64 `(shards,)`, images in each.
    """

    in_files: ClassVar[bool] = False

    classes: tuple[str, ...]
    class_counts: np.ndarray
    files: np.ndarray
    records: np.ndarray

    def in_order(self) -> tf.data.Dataset:
        """See `LabelledImages.in_order`."""
        shards = tf.data.Dataset.from_tensor_slices(self._shards())
        return self._parsed(shards.flat_map(self._open))

    def shuffled(self, *seeds: int | tf.Tensor) -> tf.data.Dataset:
        """See `LabelledImages.shuffled`."""

        def draw(*numbers: np.ndarray) -> tuple[np.ndarray, np.int64]:
            rng = np.random.default_rng([int(number) for number in numbers])
            return rng.permutation(len(self.files)), rng.integers(2**31)

        order, seed = tf.numpy_function(draw, list(seeds), [tf.int64, tf.int64])
        order.set_shape((None,))
        seed.set_shape(())
        columns = [tf.gather(column, order) for column in self._shards()]
        records = tf.data.Dataset.from_tensor_slices(tuple(columns)).interleave(
            self._open, SHARDS_AT_ONCE, num_parallel_calls=2, deterministic=True
        )

        def mix(number, batch):
            # Not `shuffle`, which does not take a tensor once a global seed is set.
            rows = tf.range(tf.shape(batch[0])[0])
            key = tf.stack([seed, number])
            rows = tf.random.experimental.stateless_shuffle(rows, key)
            return tuple(tf.gather(column, rows) for column in batch)

        batches = records.batch(min(BUFFER, len(self))).enumerate()
        return self._parsed(batches.map(mix).unbatch())

    def damaged(self) -> list[str]:
        """Shards that cannot be read to their end, each with how far one gets."""
        found = []
        for file, start, count in zip(*self._shards(), self.records, strict=True):
            read = 0
            try:
                for _ in self._parsed(self._open(file, start)):
                    read += 1
            except tf.errors.OpError:
                found.append(f"shard {file} is damaged behind image {read} of {count}")
        return found

    def _shards(self) -> tuple[np.ndarray, np.ndarray]:
        """Path and index of the first image of each shard."""
        return self.files, np.cumsum(self.records) - self.records

    @staticmethod
    def _open(file: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(file).enumerate(start)

    @staticmethod
    def _parsed(records: tf.data.Dataset) -> tf.data.Dataset:
        def parse(index, record):
            found = tf.io.parse_single_example(record, FEATURES)
            label = tf.cast(found["image/class/label"], tf.int32)
            return index, found["image/filename"], found["image/encoded"], label

        return records.map(parse)


def open_images(
    root: str | Path,
    validation_share: float = 0.2,
    seed: int = 0,
    on_error: Policy = "stop",
) -> tuple[LabelledImages, LabelledImages]:
    """Open a data set of labelled images; its content says what it is.

    Args:
        root: a folder that holds `train/` and `val/` (or what means the same, see
            `hrnet_tf.data.parts`), each with a folder a class; or one with a folder a
            class, of which a share is held out; or one of `hrnet-tf shard`.
        validation_share: of each class to hold out, between 0 and 1; at least one image
            stays on each side.
        seed: of the choice whom to hold out; not negative.
        on_error: `"stop"`, or `"skip"`: go on without files that are no images.

    Returns:
        Training and validation images.

    Raises:
        InputError: if there is no such folder, it holds no classes, a class is empty or
            named twice, both parts differ in their classes, or files are no images.

    Example:
        ```python
        training, validation = open_images("flowers")
        training.classes  # ("daisy", "rose")
        ```
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(
            f"There is no folder of images {root}; give one that holds a folder of "
            "images for each class."
        )
    if (root / INDEX).is_file():
        index = read_index(root)
        return tuple(_open_shards(root, index, part) for part in ("train", "val"))  # type: ignore[return-value]
    problems = Problems(str(root), on_error)
    folders = class_parts(root, lambda folder: bool(_images_in(folder)))
    if folders is not None:
        parts = _open_both(folders, problems)
    else:
        parts = _held_out(_list_classes(root, problems), validation_share, seed)
    problems.settle(sum(map(len, parts)))
    return parts


def _open_shards(root: Path, index: dict[str, Any], part: str) -> ShardImages:
    shards = index["shards"][part]
    left = [shard["file"] for shard in shards if shard["sha256"] is None]
    if left:
        raise InputError(
            f"{root} lacks {len(left)} of {len(shards)} shards, such as {left[0]}; the "
            "same `hrnet-tf shard` command again writes them."
        )
    for shard in shards:
        path = root / shard["file"]
        size = path.stat().st_size if path.is_file() else None
        if size != shard["bytes"]:
            found = "is missing" if size is None else f"has {size} bytes"
            raise InputError(
                f"Shard {path} {found}, {root / INDEX} says {shard['bytes']} bytes; "
                "the same `hrnet-tf shard` command again writes it anew."
            )
    return ShardImages(
        tuple(index["classes"]),
        np.array(index["class_counts"][part], np.int64),
        np.array([str(root / shard["file"]) for shard in shards]),
        np.array([shard["records"] for shard in shards], np.int64),
    )


def _open_both(
    folders: list[Path], problems: Problems
) -> tuple[FolderImages, FolderImages]:
    training, validation = (_list_classes(folder, problems) for folder in folders)
    differ = sorted(set(training.classes) ^ set(validation.classes))
    if differ:
        raise InputError(
            f"{folders[0]} and {folders[1]} must hold the same classes; in one of "
            f"them only: {_some(differ)}."
        )
    return training, validation


def _list_classes(folder: Path, problems: Problems) -> FolderImages:
    """Every image of a folder that holds a folder a class."""
    names = sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.is_dir() and not is_clutter(entry.name)
    )
    before, loose = len(problems.found), _images_in(folder)
    if len(names) < 2:
        advice = f"; it holds {len(loose)} images outside of any" if loose else ""
        raise InputError(
            f"{folder} holds {len(names)} class folders{advice}; put the images of "
            "each class into a folder of its own, at least two."
        )
    for file in loose:
        problems.add(f"{file}: is in no class folder")
    spelled = Counter(name.casefold() for name in names)
    twins = [name for name in names if spelled[name.casefold()] > 1]
    if twins:
        raise InputError(
            f"{folder}: {_some(twins)} differ in upper and lower case only; give each "
            "class one folder."
        )
    files = [_list_files(folder / name, problems) for name in names]
    empty = [name for name, found in zip(names, files, strict=True) if not found]
    if empty:
        raise InputError(
            f"{folder}: no images ({', '.join(IMAGES)}) in the folders of "
            f"{_some(empty)}; add some, or remove the folders."
        )
    labels = np.repeat(np.arange(len(names), dtype=np.int32), list(map(len, files)))
    together = [file for found in files for file in found]
    left_out = tuple(problems.found[before:])
    return FolderImages(tuple(names), np.array(together, object), labels, left_out)


def _list_files(folder: Path, problems: Problems) -> list[str]:
    """The images in a folder and those below, sorted; clutter does not count."""
    found = []
    for path in walk(folder):
        if is_image(path):
            found.append(path)
        else:
            problems.add(f"{path}: is no image by its name")
    return sorted(found)


def _images_in(folder: Path) -> list[str]:
    """The images directly in a folder."""
    return sorted(
        str(path)
        for path in folder.iterdir()
        if is_image(path.name) and not is_clutter(path.name)
    )


def _held_out(
    images: FolderImages, share: float, seed: int
) -> tuple[FolderImages, FolderImages]:
    if not 0 < share < 1:
        raise InputError(
            f"The share of images to hold out must lie between 0 and 1, got {share}."
        )
    held = np.zeros(len(images), bool)
    for label, name in enumerate(images.classes):
        rows = np.flatnonzero(images.labels == label)
        if len(rows) < 2:
            raise InputError(
                f"Class {name!r} has one image, {images.files[rows[0]]}; with no val/ "
                "beside it each class needs two, one to train on and one to hold out."
            )
        # By name: another class more or less changes nothing for this one.
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        held[rng.permutation(rows)[:count]] = True
    training, validation = (
        FolderImages(images.classes, images.files[part], images.labels[part])
        for part in (~held, held)
    )
    return replace(training, left_out=images.left_out), validation


def _some(names: list[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(repr, names[:shown])) + more
