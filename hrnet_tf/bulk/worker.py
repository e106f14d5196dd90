"""What does parts: reads ahead, looks at several images at once, writes rows."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.bulk.job import BEGUN, Job
from hrnet_tf.bulk.places import Folder
from hrnet_tf.bulk.sources import Piece, encoded_images
from hrnet_tf.bulk.tables import ENTRIES, Rows
from hrnet_tf.bulk.trial import Trial
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.failures import explain
from hrnet_tf.common.pipelines import ahead
from hrnet_tf.common.reading import Reading
from hrnet_tf.export.loading import load_viewer
from hrnet_tf.images.files import decode_named
from hrnet_tf.tasks import parts_of
from hrnet_tf.tasks.base.columns import Columns
from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.base.viewer import Viewer, check_finite
from hrnet_tf.training.looking import PIXELS_TOGETHER, WAITING, in_groups
from hrnet_tf.training.media import check_entries

ATTEMPTS = 3  # at a part; from the second one on images are decoded elsewhere first

# What is wrong with an image, in place of what is found in it.
Outcome = dict[str, Any]

# Of a name and encoded bytes: raises an InputError if decoding them is deadly.
Check = Callable[[str, bytes], None]


class PartWorker:
    """Does parts of a job, one after the other; Ray Data makes one a machine or GPU.

    Args:
        job: what is to be done.
    """

    def __init__(self, job: Job):
        self.folder = Folder(job.out)
        self.viewer, self.reading = open_viewer(job)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Do parts.

        Args:
            batch: `piece`, `Piece.as_json` of each, and `name`, that of its part.

        Returns:
            By part: `name`, `images`, `errors` (images with one) and `lacks`, why it
            has not been written; "" if it has.
        """
        rows = [
            self.do(str(name), Piece.from_json(str(piece)))
            for name, piece in zip(batch["name"], batch["piece"], strict=True)
        ]
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}

    def do(self, name: str, piece: Piece) -> dict[str, Any]:
        """Do one part; see `__call__`."""
        note = f"{BEGUN}/{name}.txt"
        before = int((self.folder.read_text(note) or "0").split()[0])
        if before >= ATTEMPTS:
            lacks = f"{before} workers have died with it"
            return {"name": name, "images": 0, "errors": 0, "lacks": lacks}
        whose = f"process {os.getpid()} on {socket.gethostname()}"
        lacks, counts = "", (0, 0)
        try:
            self.folder.write_text(note, f"{before + 1} {whose}")
            with Trial(self.reading) as trial:
                counts = self._write(name, piece, trial.check if before else no_check)
        except InputError as error:  # of the file that the images lie in
            lacks = str(error)
        except OSError as error:  # such as a full disk
            lacks = str(explain(error))
        self.folder.remove(note)
        return {
            "name": name,
            "images": counts[0],
            "errors": counts[1],
            "lacks": lacks,
        }

    def _write(self, name: str, piece: Piece, check: Check) -> tuple[int, int]:
        """Write a part; how many rows it has, and how many of them with an error."""
        rows = errors = 0
        with (
            self.folder.writing(name) as partial_file,
            Rows(partial_file, columns_of(self.viewer)) as table,
        ):
            for outcomes in outcomes_of(self.viewer, piece, self.reading, check):
                table.add(outcomes)
                rows += len(outcomes)
                errors += sum(outcome["error"] is not None for outcome in outcomes)
        return rows, errors


def open_viewer(job: Job) -> tuple[Viewer, Reading]:
    """The viewer of a job, as `hrnet-tf predict` has it, and how it takes images."""
    flip, detector = job.flip or None, job.detector or None
    viewer = load_viewer(job.model, job.settings, detector=detector, flip=flip)
    return viewer, Reading(viewer.orientation, job.pixel_limit)


def columns_of(viewer: Viewer) -> Columns:
    """What rows hold of what a viewer finds."""
    columns = parts_of(viewer.predictor.manifest).columns
    return columns if columns and isinstance(viewer, FindingViewer) else ENTRIES


def no_check(name: str, encoded: bytes) -> None:
    """Let every image be decoded."""


def outcomes_of(
    viewer: Viewer, piece: Piece, reading: Reading, check: Check = no_check
) -> Iterator[list[Outcome]]:
    """Rows of the images of a piece, in order, some at a time.

    Args:
        viewer: looks at them.
        piece: says where they are.
        reading: how they are taken.
        check: of what is to be decoded.
    """
    read = ahead(
        partial(_read, reading, check),
        encoded_images(piece),
        WAITING,
        weigh=_pixels,
        limit=PIXELS_TOGETHER,
    )
    try:
        waiting: list[Shown | Outcome] = []
        for name, found in read:
            if isinstance(found, InputError):
                waiting.append(_row(name, found))
            else:
                waiting.append(Shown(name, name, found))
            if len(waiting) >= max(1, viewer.together):
                yield from _seen(viewer, waiting)
                waiting = []
        yield from _seen(viewer, waiting)
    finally:
        read.close()


def _read(
    reading: Reading, check: Check, given: tuple[str, Callable[[], bytes]]
) -> tuple[str, np.ndarray | InputError]:
    name, opener = given
    try:
        encoded = opener()
        check(name, encoded)
        return name, decode_named(name, encoded, reading)
    except InputError as error:
        return name, error


def _pixels(done: tuple[str, Any]) -> int:
    """Of an image; what is none has none."""
    image = done[1]
    return image.shape[0] * image.shape[1] if isinstance(image, np.ndarray) else 0


def _seen(
    viewer: Viewer, waiting: Sequence[Shown | Outcome]
) -> Iterator[list[Outcome]]:
    """Rows of images, which are looked at at once, and of those that are broken."""
    images = [each for each in waiting if isinstance(each, Shown)]
    found: dict[int, Outcome] = {}
    for group in in_groups(images, max(1, viewer.together)):
        for shown, row in zip(group, _looked_at(viewer, group), strict=True):
            found[id(shown)] = row
    rows = [found[id(x)] if isinstance(x, Shown) else x for x in waiting]
    if rows:
        yield rows


def _looked_at(viewer: Viewer, group: Sequence[Shown]) -> list[Outcome]:
    """Rows of images: at once, or one by one where one of them is at fault."""
    try:
        found = _found(viewer, group)
    except (InputError, tf.errors.ResourceExhaustedError, MemoryError) as error:
        if len(group) > 1:
            return [row for each in group for row in _looked_at(viewer, [each])]
        return [_row(group[0].name, error)]
    pairs = zip(group, found, strict=True)
    return [_row(shown.name, shown.image, values) for shown, values in pairs]


def _found(viewer: Viewer, group: Sequence[Shown]) -> list[dict[str, Any]]:
    """What is found in images as values of columns."""
    columns = columns_of(viewer)
    if isinstance(viewer, FindingViewer) and columns is not ENTRIES:
        found = [dict(columns.values(each)) for each in viewer.find(group)]
        for values in found:
            check_finite(np.array(list(_numbers(values)), np.float64))
        return found
    every = []
    for shown in group:
        viewer.entries.clear()
        viewer.look(shown.name, shown.image_id, shown.image)
        check_entries(viewer.entries)
        every.append(dict(ENTRIES.values(viewer.entries)))
    return every


def _numbers(value: Any) -> Iterator[float]:
    """All fractions in values of columns."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for own in value.values():
            yield from _numbers(own)
    elif isinstance(value, list):
        for own in value:
            yield from _numbers(own)


def _row(name: str, found: Any, values: dict[str, Any] | None = None) -> Outcome:
    """The row of an image, or of what is wrong with it."""
    if isinstance(found, BaseException):
        known = isinstance(found, InputError)
        lacks = f"Image {name}: there is not enough memory to look at it."
        return {"path": name, "error": str(found) if known else lacks}
    height, width = found.shape[:2]
    size = {"width": width, "height": height}
    return {"path": name, **size, **(values or {}), "error": None}
