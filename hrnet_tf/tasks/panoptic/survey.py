"""What is in a data set of images with segments, and whether it is enough."""

from dataclasses import replace

import numpy as np

from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse
from hrnet_tf.tasks.dense.survey import look_at_targets, read_targets, survey_of
from hrnet_tf.tasks.panoptic.pipeline import SegmentReader
from hrnet_tf.tasks.panoptic.segments import CROWD, DIVISOR, VOID, counted

NOTHING_COUNTS = "no pixel counts: all are void (id 0)"
NO_THING = (
    "no class is a thing, so there is nothing to tell apart: set `isthing` in "
    "`categories`, or learn the classes alone, task: segmentation"
)


def survey_segments(reader: SegmentReader) -> Survey:
    """Read every image with its segments and count those of each class."""
    classes = reader.images.classes
    seen = np.zeros(len(classes), np.int64)
    void = pixels = crowds = empty = most = 0
    for segments in read_targets(reader):
        values, _ = counted(segments)
        crowded = values % DIVISOR == CROWD
        crowds += int(crowded.sum())
        things = values[~crowded & (values % DIVISOR > 0)]
        empty += not len(things)
        most = max(most, len(things))
        seen += np.bincount(values[~crowded] // DIVISOR, minlength=len(classes))
        void += int((segments == VOID).sum())
        pixels += segments.size
    survey = survey_of(reader, "segments", classes.names, seen)
    notes = (
        f"things are {', '.join(classes.things) or 'none'}; up to {most} in an image, "
        f"{empty} images without any; {crowds} crowds",
        f"void, which does not count: {100 * void / max(1, pixels):.1f} % of pixels",
    )
    warnings = [NOTHING_COUNTS] if pixels <= void else []
    warnings += [] if classes.things else [NO_THING]
    return replace(survey, notes=notes, warnings=tuple(warnings))


def check_segments(reader: SegmentReader, where: str) -> None:
    """Raise an InputError if no pixel of any image counts."""

    def is_enough(segments: np.ndarray) -> bool:
        return bool((segments != VOID).any())

    if not look_at_targets(reader, is_enough, where):
        refuse(where, NOTHING_COUNTS)
