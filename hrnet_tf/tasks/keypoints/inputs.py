"""Images to predict on: what their ids are, and whom to look at in them."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from pycocotools.coco import COCO

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import Problems
from hrnet_tf.tasks.base.viewer import ids_by_name
from hrnet_tf.tasks.keypoints.detections import (
    Detections,
    ImageIndex,
    Row,
    check_detection,
    has_id,
    path_parts,
)

ImageId = int | str


class ImageInputs:
    """Image files with their ids, and a detector's boxes of each.

    An id is what the annotations say; else what the detector's entries say that name
    the file; else a number in the file's name, where it is of one file and one id only.

    Args:
        files: the images.
        detections: whom to look at.
        annotations: COCO's index of an annotation file, for ids.

    Attributes:
        ids: of each file: an integer, or its name where no id is known.
        rows: the entries of each id; an id without boxes has none.
        sizes: height and width by id, as annotated.
        lines: what to tell about all this.

    Raises:
        InputError: if entries are no boxes, or what they name is not one image; or if
            no id is known and none of the boxes is of these images.
    """

    def __init__(
        self,
        files: Sequence[Path],
        detections: Detections | None = None,
        annotations: COCO | None = None,
    ):
        self.rows: dict[ImageId, list[Row]] = defaultdict(list)
        self.sizes: dict[ImageId, tuple[int, int]] = {}
        self.lines: list[str] = []
        self._paths = [os.path.abspath(file) for file in files]
        self._index_of: dict[int, int] = {}  # a file by its id
        self._id_of: dict[int, int] = {}
        if annotations is not None:
            self._take_ids_of(annotations)
        found = self._match(detections, annotations is None) if detections else []
        self.ids = self._all_ids(annotations is None)
        for index, row in found:
            self.rows[self.ids[index]].append(row)

    def _learn(self, image_id: int, index: int) -> None:
        known = self._index_of.setdefault(image_id, index)
        if known != index or self._id_of.setdefault(index, image_id) != image_id:
            raise InputError(
                f"its `image_id` {image_id} is not the one of {self._paths[index]}, as "
                "another entry says"
            )

    def _take_ids_of(self, annotations: COCO) -> None:
        names = defaultdict(list)
        for image in annotations.imgs.values():
            names[path_parts(image["file_name"])].append(image)
        missing: list[str] = []
        doubtful: list[str] = []
        for index, path in enumerate(self._paths):
            parts = path_parts(path)
            ends = (parts[start:] for start in range(len(parts)))
            found = next((names[end] for end in ends if end in names), [])
            if len(found) == 1 and found[0]["id"] not in self._index_of:
                (image,) = found
                self._learn(image["id"], index)
                self.sizes[image["id"]] = (int(image["height"]), int(image["width"]))
            else:
                (doubtful if found else missing).append(path)
        for paths, what in (
            (missing, "not in the annotations: their ids are not known"),
            (doubtful, "several ones in the annotations: their ids are not known"),
        ):
            if paths:
                self.lines.append(
                    f"{len(paths)} of {len(self._paths)} images are {what} (such as "
                    f"{paths[0]})"
                )

    def _match(self, detections: Detections, guess: bool) -> list[tuple[int, Row]]:
        named, numbered = self._by_name(detections)
        guessed = guess and self._guess_ids(numbered)
        found, strays = [], []
        for row in detections.rows:
            if row["id"] in named:
                index = named[row["id"]]
            else:
                index = self._index_of.get(row["image_id"]) if has_id(row) else None
            if index is None:
                strays.append(row)
            else:
                found.append((index, row))
        self._tell(detections, found, strays)
        if strays and not found and guess and not named:
            raise InputError(
                f"{self.lines[-1]}. If these are the images, say which id is whose: "
                "--annotations FILE, or `file_name` in the entries."
            )
        if guessed:
            self.lines.append(
                f"{detections.path}: ids are guessed, from numbers in the names of "
                "files; --annotations FILE makes sure"
            )
        return found

    def _by_name(
        self, detections: Detections
    ) -> tuple[dict[int, int | None], list[Row]]:
        """Files by the entries that name them, and the other entries."""
        problems = Problems(detections.path, "stop")
        root = os.path.dirname(self._paths[0]) if self._paths else ""
        images = ImageIndex(dict(enumerate(self._paths)), self._index_of.copy(), root)
        named: dict[int, int | None] = {}
        numbered = []
        for row in detections.rows:
            try:
                check_detection(row)
                index = images.find(row)
                if row.get("file_name") is None:
                    numbered.append(row)
                    continue
                named[row["id"]] = index
                if index is not None and has_id(row):
                    self._learn(row["image_id"], index)
            except InputError as error:
                problems.add(f"box {row['id']}: {error}")
        problems.settle(1)
        return named, numbered

    def _guess_ids(self, rows: Iterable[Row]) -> bool:
        wanted = {row["image_id"] for row in rows if has_id(row)}
        wanted -= self._index_of.keys()
        numbers = [
            {int(digits) for digits in re.findall(r"\d+", Path(path).stem)} & wanted
            for path in self._paths
        ]
        owners = Counter(number for each in numbers for number in each)
        alone = [{n for n in each if owners[n] == 1} for each in numbers]
        guessed = {
            index: each.pop()
            for index, each in enumerate(alone)
            if len(each) == 1 and index not in self._id_of
        }
        for index, number in guessed.items():
            self._learn(number, index)
        if unclear := sorted(owners.keys() - set(guessed.values())):
            self.lines.append(
                f"{len(unclear)} ids are not used, such as {unclear[0]}: by the names "
                "of files they may be several images, or an image may have several"
            )
        return bool(guessed)

    def _tell(
        self,
        detections: Detections,
        found: list[tuple[int, Row]],
        strays: list[Row],
    ) -> None:
        images = len(self._paths)
        empty = images - len({index for index, _ in found})
        such = f" (such as that of {_image_of(strays[0])})" if strays else ""
        left_out = detections.left_out()
        self.lines.append(
            f"{detections.path}: {len(found)} boxes are of these images, "
            f"{len(strays)} fit no image{such}; {empty} of {images} images have no "
            f"boxes{'; ' if left_out else ''}{left_out}"
        )

    def _all_ids(self, may_guess: bool) -> list[ImageId]:
        paths = [Path(path) for path in self._paths]
        ids: list[ImageId] = [path.name for path in paths]
        if may_guess:
            ids = ids_by_name(paths, self._index_of)
        return [self._id_of.get(index, image_id) for index, image_id in enumerate(ids)]


class FrameInputs:
    """A detector's boxes by the number of a video's frame, from 0.

    Args:
        video: the file.
        detections: whom to look at.

    Attributes:
        rows: the entries of each frame.

    Raises:
        InputError: if entries are no boxes, or one names no frame.
    """

    def __init__(self, video: Path, detections: Detections):
        self.detections = detections
        self.rows: dict[ImageId, list[Row]] = defaultdict(list)
        self._strays: list[Row] = []
        problems = Problems(detections.path, "stop")
        images = ImageIndex({0: os.path.abspath(video)}, {}, "")
        for row in detections.rows:
            try:
                check_detection(row)
                if not has_id(row):
                    raise InputError(
                        "of a video `image_id` must be the number of a frame, from 0, "
                        f"got {row.get('image_id')!r}"
                    )
                named = row.get("file_name") is not None
                of_video = not named or images.find(row) is not None
            except InputError as error:
                problems.add(f"box {row['id']}: {error}")
                continue
            if of_video:
                self.rows[row["image_id"]].append(row)
            else:
                self._strays.append(row)
        problems.settle(1)

    def tell(self, frames: int) -> str:
        """How boxes and frames fit together, in words, given how many there were."""
        beyond = [rows for n, rows in self.rows.items() if not 0 <= int(n) < frames]
        strays = [*self._strays, *(row for rows in beyond for row in rows)]
        used = len(self.rows) - len(beyond)
        left_out = self.detections.left_out()
        return (
            f"{self.detections.path}: {len(strays)} boxes fit no frame; "
            f"{frames - used} of {frames} frames (numbered from 0) have no boxes"
            f"{'; ' if left_out else ''}{left_out}"
        )


def _image_of(row: Row) -> str:
    return str(row.get("file_name") or f"image id {row.get('image_id')!r}")
