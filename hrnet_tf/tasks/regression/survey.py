"""What is in a data set of images with maps, and whether it is enough."""

from dataclasses import replace

import numpy as np

from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse
from hrnet_tf.tasks.dense.survey import look_at_targets, read_targets, survey_of
from hrnet_tf.tasks.regression.pipeline import MapReader

NOTHING_KNOWN = "no number is known: all are NaN, or the value of `data.missing`"


def survey_maps(reader: MapReader) -> Survey:
    """Read every image with its map and count the annotated pixels of each channel."""
    channels = reader.images.channels
    seen = np.zeros(len(channels), np.int64)
    low, high = np.full(len(channels), np.inf), np.full(len(channels), -np.inf)
    for values in read_targets(reader):
        seen += np.isfinite(values).sum(axis=(0, 1))
        low = np.fmin(low, np.fmin.reduce(values, axis=(0, 1)))
        high = np.fmax(high, np.fmax.reduce(values, axis=(0, 1)))
    ranges = tuple(
        f"{name}: {low[index]:g} to {high[index]:g}"
        for index, name in enumerate(channels.names)
        if seen[index]
    )
    survey = survey_of(reader, "annotated pixels", channels.names, seen)
    missing = () if seen.any() else (NOTHING_KNOWN,)
    return replace(survey, notes=ranges, warnings=missing)


def check_maps(reader: MapReader, where: str) -> None:
    """Raise an InputError if no number of any map is known; see `check_masks`."""
    if not look_at_targets(
        reader, lambda values: bool(np.isfinite(values).any()), where
    ):
        refuse(where, NOTHING_KNOWN)
