"""Predictions for a whole data set, judged by its metric."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import write_json
from hrnet_tf.data.choice import spread
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.images.lettering import PAPER
from hrnet_tf.images.preprocess import warp
from hrnet_tf.images.sheets import contact_sheet
from hrnet_tf.tasks.keypoints.drawing import show_pose
from hrnet_tf.tasks.keypoints.encodings import USUAL, is_unbiased
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.manifest import Decoding
from hrnet_tf.tasks.keypoints.result import Pose
from hrnet_tf.tasks.pose.augment import CropGeometry, plain_crops
from hrnet_tf.tasks.pose.config import DataSection, EvaluateSection
from hrnet_tf.tasks.pose.judges import judge_of, open_part
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.tasks.pose.pipeline import CropReader, crop_batches
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.survey import check_people, survey_people

SHOWN = 16  # crops in a picture


@dataclass(frozen=True)
class PoseEvaluation:
    """How good predictions of people are.

    Attributes:
        statistics: the metric's names to numbers in [0, 1].
        people: how many were looked at.
        skipped: how many of them could not be read.
        results: entries of a result file; COCO's, but for MPII.
        unread: ids of the images that are missing or could not be read; nobody in them
            is judged.
    """

    statistics: dict[str, float]
    people: int
    skipped: int
    results: list[dict[str, Any]]
    unread: tuple[int, ...] = ()

    def table(self) -> str:
        """The statistics as text, one column each; a line for what follows an @."""
        lines = []
        by_threshold = groupby(self.statistics, lambda name: name.partition("@")[2])
        for names in (list(group) for _, group in by_threshold):
            wide = {name: max(6, len(name)) for name in names}
            lines.append(" ".join(f"{name:>{wide[name]}}" for name in names))
            values = self.statistics
            lines.append(" ".join(f"{values[name]:{wide[name]}.3f}" for name in names))
        lines.append(f"{self.people} people, {self.skipped} skipped")
        if self.unread:
            lines.append(
                f"{len(self.unread)} images are missing or cannot be read: nobody in "
                "them is judged"
            )
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "people": self.people,
            "skipped": self.skipped,
            "unread_images": list(self.unread),
        }

    def write_details(self, target: Path) -> None:
        """Write a result file beside the JSON file of the evaluation."""
        results = target.with_name(f"{target.stem}_results.json")
        write_json(results, self.results, indent=None)


def judged_people(
    manifest: PoseManifest, data: DataSection, settings: EvaluateSection
) -> PoseManifest:
    """A model's facts with the decoding and the sigmas that it is judged with.

    Raises:
        InputError: if `data.keypoints` are others than the model's.
    """
    decoding = replace(decoding_of(data, settings), flip=settings.flip)
    keypoints = KeypointSet.read_like(data.keypoints, manifest.keypoints)
    judged = replace(manifest, decoding=decoding, keypoints=keypoints)
    if judged.codec.has_offsets != manifest.codec.has_offsets:
        raise InputError(
            f"`data.encoding` is {data.encoding}, the model answers with maps of the "
            f"encoding {manifest.decoding.encoding}."
        )
    return judged


def decoding_of(data: DataSection, settings: EvaluateSection) -> Decoding:
    """How heatmaps of a configuration are read, without a mirrored image."""
    shift = settings.shift
    return Decoding(
        settings.refinement or USUAL[data.encoding],
        data.sigma,
        data.padding,
        shift=not is_unbiased(data.encoding) if shift is None else shift,
        encoding=data.encoding,
    )


def crop_geometry(manifest: PoseManifest) -> CropGeometry:
    """How people are cut out for a model."""
    padding, unbiased = manifest.decoding.padding, manifest.codec.unbiased
    return CropGeometry(manifest.input.size, padding, unbiased)


class PoseEvaluator:
    """Judges predictors on one part of a data set, as often as one likes.

    Args:
        data: the data set's section; its validation part is judged.
        settings: how predictions are made and judged.
        manifest: what the network takes; decoding and sigmas are those of `data` and
            `settings`.

    Raises:
        InputError: if the data cannot be read or has other keypoints.

    Example:
        ```python
        evaluator = PoseEvaluator(run.config.data, run.config.evaluate, manifest)
        predictor = PosePredictor.from_model(run.model(), evaluator.manifest)
        print(evaluator.evaluate(predictor).table())
        ```
    """

    def __init__(
        self, data: DataSection, settings: EvaluateSection, manifest: PoseManifest
    ):
        self.settings = settings
        self.manifest = judged_people(manifest, data, settings)
        self.where = data.validation.annotations
        self.part = open_part(data, data.validation, self.manifest.keypoints)
        self.judge = judge_of(self.part, self.manifest, settings)
        self.monitor = self.judge.monitor
        self.people = self.part.people()
        self.reader = CropReader(
            self.people, manifest.input.size, data.on_error, data.reading
        )
        self.geometry = crop_geometry(self.manifest)
        boxes = Path(data.validation.boxes or "annotated_boxes").stem
        flip = "flip" if settings.flip else "straight"
        # Tells evaluations of one run apart.
        self.name = "_".join((boxes, self.manifest.decoding.refinement, flip))

    def __len__(self) -> int:
        return len(self.people)

    def evaluate(
        self, predictor: PosePredictor, progress: bool = False
    ) -> PoseEvaluation:
        """Predict everyone and compare with the annotations.

        Raises:
            InputError: if an image is broken and `data.on_error` is `"stop"`, or all
                are.
        """
        cells, scores, good = self._locate(predictor, progress)
        keypoints = predictor.to_image(cells, self.people.boxes)
        kept = np.flatnonzero(good)
        if not kept.size:
            refuse(self.where, unreadable(len(self), self.reader.broken))
        unread = self.part.unread | set(self.people.image_ids[~good].tolist())
        statistics, results = self.judge.judge(
            self.people.take(kept), keypoints[kept], scores[kept], unread
        )
        skipped = int((~good).sum())
        return PoseEvaluation(
            statistics, len(self.people), skipped, results, tuple(sorted(unread))
        )

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_people(self.reader, self.geometry.padding, self.where)

    def survey(self) -> Survey:
        """Annotated keypoints by name; none if the boxes are a detector's."""
        part, keypoints = self.part, self.manifest.keypoints
        return survey_people(self.reader, keypoints, part.broken, part.notes)

    def sample_crops(self, count: int) -> np.ndarray:
        """Crops of people all over the data, uint8 `(n, height, width, 3)`."""
        crops, good = self._read(spread(len(self), count))
        return crops[good] if good.any() else crops

    def _read(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crops of some people, and whether each is good."""
        matrices = plain_crops(self.people.take(chosen), self.geometry)
        rows = zip(chosen, matrices, strict=True)
        crops, good = zip(*(self.reader.read(*row) for row in rows), strict=True)
        return np.stack(crops), np.array(good)

    @cached_property
    def _shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Crops to look at; and whether each pixel is beyond its image, bool."""
        chosen = spread(len(self), SHOWN)
        crops, good = self._read(chosen)
        matrices = plain_crops(self.people.take(chosen), self.geometry)
        beyond = np.zeros(crops.shape, bool)
        for row in np.flatnonzero(good):
            image, _ = self.reader.load(chosen[row])
            everywhere = np.full_like(image, 255)
            size = self.manifest.input.size
            beyond[row] = warp(everywhere, matrices[row], size) == 0
        return crops[good], beyond[good]

    def samples(self) -> dict[str, np.ndarray]:
        """Some real crops, and an image with its boxes, to check exports on."""
        people = self.people
        _, firsts = np.unique(people.image_ids, return_index=True)
        tried = (row for row in np.sort(firsts) if self._read(row[None])[1][0])
        first = people.image_ids[next(tried, 0)]
        here = np.flatnonzero(people.image_ids == first)[:4]
        return {
            "crops": self.sample_crops(8),
            "image_bytes": np.fromfile(people.files[here[0]], np.uint8),
            "boxes": people.boxes[here].astype(np.float32),
        }

    def draw(self, predictor: PosePredictor) -> np.ndarray:
        """Some crops with what a predictor finds in them, uint8 RGB.

        What lies beyond the images is black for the network, and paper here.
        """
        crops, beyond = self._shown
        if not len(crops):
            return contact_sheet([], columns=8)
        cells, scores = predictor.locate(crops)
        crops = np.where(beyond, np.array(PAPER, np.uint8), crops)
        height, width = self.manifest.input.size
        box = np.array([[0, 0, width, height]], np.float32)
        keypoints, sure = self.manifest.keypoints, np.ones(1, np.float32)
        pictures, codec = [], self.manifest.codec
        for crop, points, values in zip(crops, cells, scores, strict=True):
            points = codec.in_pixels(points[None], self.manifest.output.size)
            pose = Pose(points, values[None], box, sure, keypoints)
            pictures.append(show_pose(crop, pose))
        return contact_sheet(pictures, columns=8)

    def _locate(
        self, predictor: PosePredictor, progress: bool
    ) -> tuple[np.ndarray, ...]:
        matrices = plain_crops(self.people, self.geometry)
        batches = crop_batches(self.reader, matrices, self.settings.batch_size)
        steps = -(-len(self.people) // self.settings.batch_size)
        broken = self.reader.broken
        return predictor.locate_batches(batches, steps, broken, progress)
