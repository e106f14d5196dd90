"""What is in a data set of people, and whether it is enough to begin with."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.augment import CropGeometry, plain_crops
from hrnet_tf.tasks.pose.pipeline import CropReader


def survey_people(
    reader: CropReader,
    keypoints: KeypointSet,
    listed: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Survey:
    """Read every image that shows people and count their annotated keypoints.

    Args:
        reader: reads the people.
        keypoints: that they have.
        listed: samples that were found to be broken before, a line each.
        notes: what else is known, a line each.
    """
    people: People = reader.people
    broken = list(listed)
    _, first = np.unique(people.files.astype(str), return_index=True)
    for row in progress_bar(first, unit="image"):
        try:
            reader.load(row)
        except (InputError, OSError) as error:
            broken.append(f"{people.sources[row]}: {error}")
    seen = (people.keypoints[..., 2] > 0).sum(axis=0)
    counts = dict(zip(keypoints.names, map(int, seen), strict=True))
    total = len(people) + len(listed)
    return Survey(total, "annotated keypoints", counts, tuple(broken), tuple(notes))


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
            reader.people.take(np.array([row])), CropGeometry(reader.size, padding)
        )
        if reader.read(row, matrix)[1]:
            return
    refuse(where, unreadable(total, reader.broken))
