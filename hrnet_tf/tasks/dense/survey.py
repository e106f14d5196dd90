"""What is in a data set of images with a target for every pixel."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.tasks.dense.pipeline import PairReader


def read_targets(reader: PairReader) -> Iterator[np.ndarray]:
    """The target of every sample that can be read."""
    for index in progress_bar(range(len(reader.images)), unit="image"):
        sample = reader.read(index)
        if sample is not None:
            yield sample[1]


def survey_of(
    reader: PairReader, what: str, names: Sequence[str], seen: np.ndarray
) -> Survey:
    """A survey of what has been counted in the samples of a reader.

    Args:
        reader: has read them all.
        what: was counted.
        names: of what was counted.
        seen: how often each was.
    """
    counts = dict(zip(names, map(int, seen), strict=True))
    left_out = reader.images.left_out
    broken = (*left_out, *sorted(reader.broken.found))
    return Survey(len(reader.images) + len(left_out), what, counts, broken)


def look_at_targets(
    reader: PairReader, is_enough: Callable[[np.ndarray], bool], where: str
) -> bool:
    """Read targets until they are enough.

    Args:
        reader: reads them.
        is_enough: takes one target after the other.
        where: names the data in errors.

    Returns:
        Whether they were enough.

    Raises:
        InputError: if none can be read.
    """
    readable = 0
    with reader.broken.explained():
        for index in range(len(reader.images)):
            sample = reader.read(index)
            if sample is not None:
                readable += 1
                if is_enough(sample[1]):
                    return True
    if not readable:
        refuse(where, unreadable(len(reader.images), reader.broken))
    return False
