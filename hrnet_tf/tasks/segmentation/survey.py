"""What is in a data set of images with masks, and whether it is enough."""

from dataclasses import replace

import numpy as np

from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse
from hrnet_tf.tasks.dense.survey import look_at_targets, survey_of
from hrnet_tf.tasks.segmentation.classes import IGNORED, VALUES
from hrnet_tf.tasks.segmentation.masks import read_mask
from hrnet_tf.tasks.segmentation.pipeline import MaskReader


def survey_masks(reader: MaskReader) -> Survey:
    """Read every image with its mask and count the pixels of each class."""
    classes = reader.images.class_set
    seen, values = np.zeros(256, np.int64), np.zeros(VALUES, np.int64)
    for index in progress_bar(range(len(reader.images)), unit="image"):
        sample = reader.read(index)
        if sample is not None:
            seen += np.bincount(sample[1].ravel(), minlength=256)
            raw = read_mask(reader.images.targets[index], reader.section.reading)
            values += np.bincount(raw.ravel(), minlength=VALUES)
    survey = survey_of(reader, "pixels", classes.names, seen[: len(classes)])
    total, ignored = int(seen.sum()), int(seen[IGNORED])
    problem = label_problem(seen, classes.names) if total else None
    if (
        problem is None
        and ignored
        and values[IGNORED]
        and not all(seen[: len(classes)])
    ):
        problem = (
            f"{values[IGNORED]} pixels have the value {IGNORED}, which never counts; "
            "where it stands for a class that is never seen, write another value"
        )
    shares = ", ".join(
        f"{value}: {values[value]}"
        for value in np.flatnonzero(values * (classes.lookup == IGNORED))
    )
    return replace(
        survey,
        notes=(
            f"do not count: {ignored} pixels, {100 * ignored / max(1, total):.1f} %"
            + (f" (by their values {shares})" if shares else ""),
        ),
        warnings=(problem,) if problem else (),
    )


def check_masks(reader: MaskReader, where: str, *, learn: bool) -> None:
    """Raise an InputError if no pixel of any mask counts.

    Args:
        reader: reads the masks.
        where: names the data in errors.
        learn: whether there must be pixels of two classes at least.
    """
    names = reader.images.class_set.names
    if learn and len(names) < 2:
        refuse(
            where,
            f"{names[0]} is the only class, so there is nothing to tell it from; name "
            "another one, such as the background",
        )
    counts = np.zeros(256, np.int64)

    def is_enough(labels: np.ndarray) -> bool:
        counts[:] += np.bincount(labels.ravel(), minlength=256)
        return bool(np.count_nonzero(counts[: len(names)]) > int(learn))

    look_at_targets(reader, is_enough, where)
    if problem := label_problem(counts, names, learn=learn):
        refuse(where, problem)


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
