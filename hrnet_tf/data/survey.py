"""What is in a data set: counts of samples and labels, and what is broken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hrnet_tf.data.image_pipeline import ImageReader
from hrnet_tf.data.map_pipeline import MapReader
from hrnet_tf.data.mask_pipeline import MaskReader
from hrnet_tf.data.pair_pipeline import PairReader
from hrnet_tf.data.people import People
from hrnet_tf.data.pipeline import CropReader
from hrnet_tf.errors import InputError
from hrnet_tf.labels import KeypointSet
from hrnet_tf.preprocess import read_image
from hrnet_tf.progress import progress_bar

SHOWN = 10  # broken samples in a table


@dataclass(frozen=True)
class Survey:
    """What is in one part of a data set.

    Attributes:
        samples: how many there are, broken ones too.
        what: what is counted, such as `pixels`.
        counts: of each label, in the order of the labels.
        broken: one line for each broken sample.
        notes: what else there is to know, a line each.
    """

    samples: int
    what: str
    counts: dict[str, int]
    broken: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> str:
        """Counts as text, with bars."""
        wide = max(len(name) for name in self.counts)
        highest = max(1, *self.counts.values())
        lines = [f"{self.samples} samples, {len(self.broken)} broken; {self.what}:"]
        for name, count in self.counts.items():
            bar = "#" * round(40 * count / highest)
            lines.append(f"  {name:<{wide}} {count:>12} {bar}".rstrip())
        empty = [name for name, count in self.counts.items() if not count]
        if empty:
            lines.append(f"never seen: {', '.join(empty)}")
        lines += self.notes
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
        }


def survey_people(reader: CropReader, keypoints: KeypointSet) -> Survey:
    """Read every image that shows people and count their annotated keypoints."""
    people: People = reader.people
    broken = []
    files, first = np.unique(people.files.astype(str), return_index=True)
    for file, row in zip(progress_bar(files, unit="image"), first, strict=True):
        try:
            read_image(file)
        except InputError as error:
            broken.append(f"{people.sources[row]}: {error}")
    seen = (people.keypoints[..., 2] > 0).sum(axis=0)
    counts = dict(zip(keypoints.names, map(int, seen), strict=True))
    return Survey(len(people), "annotated keypoints", counts, tuple(broken))


def survey_images(reader: ImageReader) -> Survey:
    """Read every labelled image and count those of each class."""
    images = reader.images
    total = len(images)
    for row in progress_bar(
        images.in_order().as_numpy_iterator(), unit="image", total=total
    ):
        index, name, encoded, _ = row
        reader.decode(index, name, encoded)
    counts = dict(zip(images.classes, map(int, images.class_counts), strict=True))
    return Survey(total, "images", counts, tuple(sorted(reader.broken.found)))


def survey_masks(reader: MaskReader) -> Survey:
    """Read every image with its mask and count the pixels of each class."""
    classes = reader.images.class_set
    seen = np.zeros(len(classes), np.int64)
    for labels in _read_targets(reader):
        seen += np.bincount(labels.ravel(), minlength=256)[: len(classes)]
    return _survey_of(reader, "pixels", classes.names, seen)


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
    return replace(survey, notes=ranges)


def _read_targets(reader: PairReader) -> Iterator[np.ndarray]:
    for index in progress_bar(range(len(reader.images)), unit="image"):
        sample = reader.read(index)
        if sample is not None:
            yield sample[1]


def _survey_of(
    reader: PairReader, what: str, names: Sequence[str], seen: np.ndarray
) -> Survey:
    counts = dict(zip(names, map(int, seen), strict=True))
    broken = tuple(sorted(reader.broken.found))
    return Survey(len(reader.images), what, counts, broken)
