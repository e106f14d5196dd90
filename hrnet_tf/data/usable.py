"""A quick look before training: whether there is anything to learn or to judge by.

Reads until that is sure, which is after a sample or two unless the data are no good.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import BrokenImages
from hrnet_tf.tasks.classification.images import FolderImages
from hrnet_tf.tasks.classification.pipeline import ImageReader
from hrnet_tf.tasks.dense.pipeline import PairReader
from hrnet_tf.tasks.pose.augment import plain_crops
from hrnet_tf.tasks.pose.pipeline import CropReader
from hrnet_tf.tasks.regression.pipeline import MapReader
from hrnet_tf.tasks.segmentation.classes import IGNORED
from hrnet_tf.tasks.segmentation.pipeline import MaskReader

logger = logging.getLogger(__name__)


def check_people(reader: CropReader, padding: float, where: str) -> None:
    """Raise an InputError if no image of people can be read.

    Args:
        reader: reads them.
        padding: of their boxes.
        where: names the data in errors.
    """
    total = len(reader.people)
    for row in range(total):
        (matrix,) = plain_crops(
            reader.people.take(np.array([row])), (reader.size, padding)
        )
        if reader.read(row, matrix)[1]:
            return
    _refuse(where, unreadable(total, reader.broken))


def check_images(reader: ImageReader, where: str, *, learn: bool) -> None:
    """Raise an InputError if no labelled image can be read.

    Args:
        reader: reads them.
        where: names the data in errors.
        learn: whether they must be of two classes at least.
    """
    found: set[int] = set()
    with reader.errors_explained():
        for index, name, encoded, label in _in_turns(reader):
            if reader.decode(index, name, encoded) is not None:
                found.add(int(label))
                if len(found) > int(learn):
                    return
    if not found:
        _refuse(where, unreadable(len(reader.images), reader.broken))
    alone = reader.images.classes[found.pop()]
    _refuse(where, f"only images of the class {alone} can be read; two are needed")


def check_masks(reader: MaskReader, where: str, *, learn: bool) -> None:
    """Raise an InputError if no pixel of any mask counts.

    Args:
        reader: reads the masks.
        where: names the data in errors.
        learn: whether there must be pixels of two classes at least.
    """
    names = reader.images.class_set.names
    if learn and len(names) < 2:
        _refuse(
            where,
            f"{names[0]} is the only class, so there is nothing to tell it from; name "
            "another one, such as the background",
        )
    counts = np.zeros(256, np.int64)

    def is_enough(labels: np.ndarray) -> bool:
        counts[:] += np.bincount(labels.ravel(), minlength=256)
        return bool(np.count_nonzero(counts[: len(names)]) > int(learn))

    _look(reader, is_enough, where)
    if problem := label_problem(counts, names, learn=learn):
        _refuse(where, problem)


def check_maps(reader: MapReader, where: str) -> None:
    """Raise an InputError if no number of any map is known; see `check_masks`."""
    if not _look(reader, lambda values: bool(np.isfinite(values).any()), where):
        _refuse(where, NOTHING_KNOWN)


NOTHING_KNOWN = "no number is known: all are NaN, or the value of `data.missing`"


def label_problem(
    counts: np.ndarray, names: tuple[str, ...], *, learn: bool = True
) -> str | None:
    """Why nothing can be learnt from labels; None: something can.

    Args:
        counts: `(256,)`, pixels of each label.
        names: of the classes.
        learn: whether pixels of a single class are too few.
    """
    seen, ignored = np.flatnonzero(counts[: len(names)]), int(counts[IGNORED])
    if not len(seen):
        return (
            f"no pixel counts: all are {IGNORED}, or have one of the class set's "
            "`ignored_ids`"
        )
    if len(seen) > 1 or not learn:
        return None
    problem = f"all pixels that count are {names[seen[0]]}"
    if ignored:
        share = 100 * ignored / int(counts.sum())
        problem += (
            f", and {share:.1f} % do not count: {IGNORED} never does; where it stands "
            "for a class, write another value, such as 1"
        )
    return f"{problem}; there must be pixels of two classes to tell apart"


def unreadable(total: int, broken: BrokenImages) -> str:
    """That none of so many samples can be read."""
    such = min(broken.found, default="")
    return f"none of {total} samples can be read" + (
        f", such as {such}" if such else ""
    )


def warn_of_unseen(counts: Mapping[str, int], where: str) -> None:
    """Name what never occurs: nothing can be learnt of it."""
    if unseen := never_seen(counts):
        logger.warning("%s: %s", where, unseen)


def never_seen(counts: Mapping[str, int]) -> str:
    """What of what is counted never occurs, as a line; nothing: everything does."""
    unseen = [name for name, count in counts.items() if not count]
    return f"never seen: {', '.join(unseen)}" if unseen else ""


def _look(
    reader: PairReader, is_enough: Callable[[np.ndarray], bool], where: str
) -> bool:
    """Read targets until they are enough."""
    readable = 0
    with reader.broken.explained():
        for index in range(len(reader.images)):
            sample = reader.read(index)
            if sample is not None:
                readable += 1
                if is_enough(sample[1]):
                    return True
    if not readable:
        _refuse(where, unreadable(len(reader.images), reader.broken))
    return False


def _in_turns(reader: ImageReader) -> Iterable[tuple[int, bytes, bytes, int]]:
    """Images of one class after another in turn; those of shards lie mixed already."""
    images = reader.images
    if not isinstance(images, FolderImages):
        return images.in_order().as_numpy_iterator()
    first = np.searchsorted(images.labels, images.labels)  # of the same class
    order = np.argsort(np.arange(len(images)) - first, kind="stable")

    def rows() -> Iterator[tuple[int, bytes, bytes, int]]:
        for row in order:
            yield row, os.fsencode(images.files[row]), b"", images.labels[row]

    return rows()


def _refuse(where: str, problem: str) -> None:
    raise InputError(f"{where}: {problem}.")
