"""What is in a data set of whole images with people, and whether one can begin."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.tasks.bottom_up.scenes import Scenes
from hrnet_tf.tasks.keypoints.crops import CropReader
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet


def survey_scenes(
    reader: CropReader,
    scenes: Scenes,
    keypoints: KeypointSet,
    listed: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Survey:
    """Read every image and count the annotated keypoints of the people in it.

    Args:
        reader: reads the images.
        scenes: the images with their people.
        keypoints: that they have.
        listed: samples that were found to be broken before, a line each.
        notes: what else is known, a line each.
    """
    broken = list(listed)
    for row in progress_bar(range(len(scenes)), unit="image"):
        try:
            reader.load(row)
        except (InputError, OSError) as error:
            broken.append(f"{scenes.images.sources[row]}: {error}")
    people = np.array([len(each) for each in scenes.keypoints])
    told = [
        f"{people.sum()} people with keypoints in {np.count_nonzero(people)} of "
        f"{len(scenes)} images, up to {people.max(initial=0)} in one; "
        f"{sum(map(len, scenes.hidden))} crowds or people without keypoints",
        *notes,
    ]
    total = len(scenes) + len(listed)
    counts = seen_keypoints(scenes, keypoints)
    return Survey(total, "annotated keypoints", counts, tuple(broken), tuple(told))


def seen_keypoints(scenes: Scenes, keypoints: KeypointSet) -> dict[str, int]:
    """How often each keypoint is annotated."""
    seen = np.concatenate(scenes.keypoints)[..., 2] > 0
    return dict(zip(keypoints.names, map(int, seen.sum(axis=0)), strict=True))


def check_scenes(reader: CropReader, where: str) -> None:
    """Raise an InputError if no image can be read.

    Args:
        reader: reads them.
        where: names the data in errors.
    """
    total = len(reader.people)
    for row in range(total):
        if reader.read(row, np.eye(2, 3))[1]:
            return
    refuse(where, unreadable(total, reader.broken))
