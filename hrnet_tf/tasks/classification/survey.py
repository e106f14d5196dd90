"""What is in a data set of labelled images, and whether it is enough."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.tasks.classification.images import FolderImages
from hrnet_tf.tasks.classification.pipeline import ImageReader


def survey_images(reader: ImageReader) -> Survey:
    """Read every labelled image and count those of each class."""
    images = reader.images
    total = len(images)
    rows = images.in_order().as_numpy_iterator()
    with reader.errors_explained():
        for index, name, encoded, _ in progress_bar(rows, unit="image", total=total):
            reader.decode(index, name, encoded)
    counts = dict(zip(images.classes, map(int, images.class_counts), strict=True))
    broken = (*images.left_out, *sorted(reader.broken.found))
    return Survey(total + len(images.left_out), "images", counts, broken)


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
        refuse(where, unreadable(len(reader.images), reader.broken))
    alone = reader.images.classes[found.pop()]
    refuse(where, f"only images of the class {alone} can be read; two are needed")


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
