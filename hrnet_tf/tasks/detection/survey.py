"""What is in a data set of objects, and whether one can begin."""

import numpy as np

from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.problems import BrokenImages
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.objects import Objects
from hrnet_tf.tasks.detection.pipeline import ObjectReader
from hrnet_tf.tasks.detection.sources import Source

SMALL, MIDDLE = 32**2, 96**2  # square pixels up to which COCO calls objects so


def survey_objects(reader: ObjectReader, source: Source) -> Survey:
    """Read every image and count the objects of each class.

    Args:
        reader: reads the images.
        source: where they come from.
    """
    reader.files.broken = BrokenImages("skip")
    for row in progress_bar(range(len(reader.objects)), unit="image"):
        reader.image(row)
    objects = reader.objects
    broken = (*source.broken, *sorted(reader.files.broken.found))
    total = len(objects) + len(source.unread)
    counts = count_objects(objects, source.classes)
    notes = (*_size_notes(objects), *source.notes)
    return Survey(total, "objects", counts, broken, notes)


def count_objects(objects: Objects, classes: ObjectClasses) -> dict[str, int]:
    """How many objects of each class there are, crowds left out."""
    counts = np.zeros(len(classes), np.int64)
    for own, many in zip(objects.labels, objects.crowds, strict=True):
        counts += np.bincount(own[~many], minlength=len(classes))
    return dict(zip(classes.names, map(int, counts), strict=True))


def _size_notes(objects: Objects) -> list[str]:
    boxes = np.concatenate([np.zeros((0, 4)), *objects.boxes])
    crowds = int(np.concatenate([np.zeros(0, bool), *objects.crowds]).sum())
    most = max(map(len, objects.boxes), default=0)
    empty = sum(not len(own) for own in objects.boxes)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    small, large = (areas < SMALL).sum(), (areas >= MIDDLE).sum()
    return [
        f"{len(boxes)} boxes in {len(objects) - empty} of {len(objects)} images, up to "
        f"{most} in one; {crowds} of them crowds",
        f"{small} boxes are small (below 32 x 32 pixels), {len(boxes) - small - large} "
        f"middle, {large} large (from 96 x 96)",
    ]


def check_objects(reader: ObjectReader, where: str) -> None:
    """Raise an InputError if no image can be read.

    Args:
        reader: reads them.
        where: names the data in errors.
    """
    total = len(reader.objects)
    if not any(reader.image(row) is not None for row in range(total)):
        refuse(where, unreadable(total, reader.files.broken))
