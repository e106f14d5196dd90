"""What is in a data set: counts of samples and labels, and what is broken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.usable import NOTHING_KNOWN, label_problem, never_seen
from hrnet_tf.tasks.classification.pipeline import ImageReader
from hrnet_tf.tasks.dense.pipeline import PairReader
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.pipeline import CropReader
from hrnet_tf.tasks.regression.pipeline import MapReader
from hrnet_tf.tasks.segmentation.classes import IGNORED, VALUES
from hrnet_tf.tasks.segmentation.masks import read_mask
from hrnet_tf.tasks.segmentation.pipeline import MaskReader

SHOWN = 10  # broken samples in a table


@dataclass(frozen=True)
class Survey:
    """What is in one part of a data set.

    Attributes:
        samples: how many there are, broken ones and files without a partner too.
        what: what is counted, such as `pixels`.
        counts: of each label, in the order of the labels.
        broken: one line for each broken sample or file without a partner.
        notes: what else there is to know, a line each.
        warnings: what is likely to be a mistake, a line each.
    """

    samples: int
    what: str
    counts: dict[str, int]
    broken: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def usable(self) -> int:
        """How many samples something can be done with."""
        return self.samples - len(self.broken)

    def table(self) -> str:
        """Counts as text, with bars."""
        wide = max(len(name) for name in self.counts)
        highest = max(1, *self.counts.values())
        lines = [f"{self.samples} samples, {len(self.broken)} broken; {self.what}:"]
        for name, count in self.counts.items():
            bar = "#" * round(40 * count / highest)
            lines.append(f"  {name:<{wide}} {count:>12} {bar}".rstrip())
        lines += filter(None, [never_seen(self.counts)])
        lines += self.notes
        lines += [f"warning: {line}" for line in self.warnings]
        lines += [f"broken: {line}" for line in self.broken[:SHOWN]]
        if len(self.broken) > SHOWN:
            lines.append(f"and {len(self.broken) - SHOWN} more broken samples")
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "samples": self.samples,
            "counted": self.what,
            "counts": self.counts,
            "broken": list(self.broken),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


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
    survey = _survey_of(reader, "pixels", classes.names, seen[: len(classes)])
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


def survey_maps(reader: MapReader) -> Survey:
    """Read every image with its map and count the annotated pixels of each channel."""
    channels = reader.images.channels
    seen = np.zeros(len(channels), np.int64)
    low, high = np.full(len(channels), np.inf), np.full(len(channels), -np.inf)
    for values in _read_targets(reader):
        seen += np.isfinite(values).sum(axis=(0, 1))
        low = np.fmin(low, np.fmin.reduce(values, axis=(0, 1)))
        high = np.fmax(high, np.fmax.reduce(values, axis=(0, 1)))
    ranges = tuple(
        f"{name}: {low[index]:g} to {high[index]:g}"
        for index, name in enumerate(channels.names)
        if seen[index]
    )
    survey = _survey_of(reader, "annotated pixels", channels.names, seen)
    missing = () if seen.any() else (NOTHING_KNOWN,)
    return replace(survey, notes=ranges, warnings=missing)


def _read_targets(reader: PairReader) -> Iterator[np.ndarray]:
    for index in progress_bar(range(len(reader.images)), unit="image"):
        sample = reader.read(index)
        if sample is not None:
            yield sample[1]


def _survey_of(
    reader: PairReader, what: str, names: Sequence[str], seen: np.ndarray
) -> Survey:
    counts = dict(zip(names, map(int, seen), strict=True))
    left_out = reader.images.left_out
    broken = (*left_out, *sorted(reader.broken.found))
    return Survey(len(reader.images) + len(left_out), what, counts, broken)
