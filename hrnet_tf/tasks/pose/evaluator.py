"""Predictions for a whole data set, judged by COCO's metric."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import write_json
from hrnet_tf.data.choice import spread
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.images.lettering import PAPER
from hrnet_tf.images.preprocess import warp
from hrnet_tf.images.sheets import contact_sheet
from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from hrnet_tf.tasks.keypoints.coco_scores import average_precision
from hrnet_tf.tasks.keypoints.drawing import show_pose
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.keypoints.result import Pose
from hrnet_tf.tasks.pose.augment import plain_crops
from hrnet_tf.tasks.pose.config import DataSection, EvaluateSection
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.tasks.pose.pipeline import CropReader, crop_batches
from hrnet_tf.tasks.pose.predictor import PosePredictor, choose_people
from hrnet_tf.tasks.pose.survey import check_people, survey_people

SHOWN = 16  # crops in a picture


@dataclass(frozen=True)
class PoseEvaluation:
    """How good predictions of people are.

    Attributes:
        statistics: COCO's names to numbers in [0, 1].
        people: how many were looked at.
        skipped: how many of them could not be read.
        results: entries of a COCO result file.
        unread: ids of the images that are missing or could not be read; nobody in them
            is judged.
    """

    statistics: dict[str, float]
    people: int
    skipped: int
    results: list[dict[str, Any]]
    unread: tuple[int, ...] = ()

    def table(self) -> str:
        """The statistics as text, one column each."""
        names = self.statistics
        lines = [
            " ".join(f"{name:>6}" for name in names),
            " ".join(f"{value:6.3f}" for value in names.values()),
            f"{self.people} people, {self.skipped} skipped",
        ]
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
        """Write a COCO result file beside the JSON file of the evaluation."""
        results = target.with_name(f"{target.stem}_results.json")
        write_json(results, self.results, indent=None)


def judged_people(
    manifest: PoseManifest, data: DataSection, settings: EvaluateSection
) -> PoseManifest:
    """A model's facts with the decoding and the sigmas that it is judged with.

    Raises:
        InputError: if `data.keypoints` are others than the model's.
    """
    decoding = replace(
        manifest.decoding,
        refinement=settings.refinement,
        flip=settings.flip,
        shift=settings.shift,
        sigma=data.sigma,
        padding=data.padding,
    )
    keypoints = KeypointSet.read(data.keypoints)
    if keypoints.names != manifest.keypoints.names:
        raise InputError(
            f"`data.keypoints` ({data.keypoints}) must name the model's keypoints, "
            f"the {len(manifest.keypoints)} of {manifest.keypoints.name}, got "
            f"{len(keypoints)} others."
        )
    return replace(manifest, decoding=decoding, keypoints=keypoints)


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

    monitor = "AP"

    def __init__(
        self, data: DataSection, settings: EvaluateSection, manifest: PoseManifest
    ):
        self.settings = settings
        self.manifest = judged_people(manifest, data, settings)
        self.where = data.validation.annotations
        self.part = CocoKeypoints(
            data.validation, self.manifest.keypoints, data.on_error
        )
        self.people = self.part.people()
        self.reader = CropReader(
            self.people, manifest.input.size, data.on_error, data.reading
        )
        self.geometry = (manifest.input.size, data.padding)
        boxes = Path(data.validation.boxes or "annotated_boxes").stem
        flip = "flip" if settings.flip else "straight"
        # Tells evaluations of one run apart.
        self.name = "_".join((boxes, settings.refinement, flip))

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
        results = coco_results(
            self.people.take(kept),
            keypoints[kept],
            scores[kept],
            self.manifest,
            self.settings,
            self.part.category,
        )
        sigmas = self.manifest.keypoints.sigmas
        statistics = average_precision(
            self.part.ground_truth, results, self.part.category, sigmas, unread
        )
        skipped = int((~good).sum())
        return PoseEvaluation(
            statistics, len(self.people), skipped, results, tuple(sorted(unread))
        )

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_people(self.reader, self.geometry[1], self.where)

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
        pictures = []
        for crop, points, values in zip(crops, cells, scores, strict=True):
            points = self.manifest.codec.in_pixels(points[None])
            pose = Pose(points, values[None], box, sure, keypoints)
            pictures.append(show_pose(crop, pose))
        return contact_sheet(pictures, columns=8)

    def _locate(self, predictor: PosePredictor, progress: bool) -> list[np.ndarray]:
        matrices = plain_crops(self.people, self.geometry)
        batches = crop_batches(self.reader, matrices, self.settings.batch_size)
        steps = -(-len(self.people) // self.settings.batch_size)
        parts = []
        with self.reader.broken.explained():
            for crops, good in progress_bar(
                batches, total=steps, unit="batch", shown=progress
            ):
                parts.append((*predictor.locate(crops.numpy()), good.numpy()))
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


def coco_results(
    people: People,
    keypoints: np.ndarray,
    scores: np.ndarray,
    manifest: PoseManifest,
    settings: EvaluateSection,
    category: int,
) -> list[dict[str, Any]]:
    """Predictions to entries of a COCO result file: rescored, doubles suppressed.

    Args:
        people: who was looked at.
        keypoints: `(n, k, 2)` in image pixels.
        scores: `(n, k)`.
        manifest: the keypoints' sigmas and the crops' shape.
        settings: thresholds.
        category: id of the category.
    """
    results = []
    for image_id in np.unique(people.image_ids):
        here = np.flatnonzero(people.image_ids == image_id)
        chosen, totals = choose_people(
            keypoints[here],
            scores[here],
            people.boxes[here],
            people.scores[here],
            manifest,
            settings,
        )
        for person, total in zip(here[chosen], totals[chosen], strict=True):
            triples = np.concatenate(
                [keypoints[person], scores[person, :, None]], axis=-1
            )
            results.append(
                {
                    "image_id": int(image_id),
                    "category_id": category,
                    "keypoints": np.round(triples.ravel(), 4).tolist(),
                    "score": float(total),
                }
            )
    return results
