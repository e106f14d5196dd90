"""What is in a data set of faces, and whether it is enough to begin with."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.pipeline import FaceReader


def survey_faces(
    reader: FaceReader,
    landmarks: LandmarkSet,
    listed: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Survey:
    """Read every image that shows faces and count their annotated landmarks.

    Args:
        reader: reads the faces.
        landmarks: that they have.
        listed: samples that were found to be broken before, a line each.
        notes: what else is known, a line each.
    """
    faces = reader.faces
    broken, lines = list(listed), list(notes)
    _, first = np.unique(faces.images, return_index=True)
    for row in progress_bar(first, unit="image"):
        try:
            reader.load(row)
        except (InputError, OSError) as error:
            broken.append(f"{faces.sources[row]}: {error}")
    seen = (faces.points[..., 2] > 0).sum(axis=0)
    counts = dict(zip(landmarks.names, map(int, seen), strict=True))
    members = [f"{name} {int(rows.sum())}" for name, rows in faces.subsets.items()]
    if members:
        lines.append(f"faces of subsets: {', '.join(members)}")
    total = len(faces) + len(listed)
    return Survey(total, "annotated landmarks", counts, tuple(broken), tuple(lines))


def check_faces(reader: FaceReader, where: str) -> None:
    """Raise an InputError if no image of a face can be read.

    Args:
        reader: reads them.
        where: names the data in errors.
    """
    total = len(reader.faces)
    for row in range(total):
        try:
            reader.load(row)
        except (InputError, OSError) as error:
            reader.broken.add(f"{reader.faces.sources[row]}: {error}")
            continue
        return
    refuse(where, unreadable(total, reader.broken))
