"""Predictions for a whole data set of faces, judged by normalised mean errors."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.text_files import write_rows
from hrnet_tf.data.choice import spread
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import unreadable
from hrnet_tf.images.plots import draw_error_curves
from hrnet_tf.images.sheets import Tile, contact_sheet
from hrnet_tf.tasks.landmarks.augment import plain, views_of
from hrnet_tf.tasks.landmarks.config import FaceData, LandmarkEvaluate
from hrnet_tf.tasks.landmarks.data import LandmarkFaces
from hrnet_tf.tasks.landmarks.drawing import show_landmarks
from hrnet_tf.tasks.landmarks.faces import Faces
from hrnet_tf.tasks.landmarks.geometry import Views
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.manifest import LandmarkManifest
from hrnet_tf.tasks.landmarks.metrics import (
    BOUNDS,
    LandmarkScores,
    face_errors,
    normalisers,
    statistics,
)
from hrnet_tf.tasks.landmarks.pipeline import Cutter, FaceReader, upright_batches
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor
from hrnet_tf.tasks.landmarks.result import FaceLandmarks
from hrnet_tf.tasks.landmarks.survey import check_faces, survey_faces

SHOWN = 16  # crops in a picture


@dataclass(frozen=True)
class LandmarkEvaluation:
    """How good predictions of landmarks are.

    Attributes:
        scores: the error of each face, and the subsets.
        sources: what each face is called.
        skipped: how many faces could not be read.
        undetected: how many were in no box of the detector; they are not judged.
    """

    scores: LandmarkScores
    sources: tuple[str, ...]
    skipped: int
    undetected: int = 0

    @cached_property
    def subsets(self) -> dict[str, dict[str, float]]:
        """`hrnet_tf.tasks.landmarks.metrics.statistics` of all and of each subset."""
        found = self.scores.by_subset()
        return {name: statistics(errors) for name, errors in found.items()}

    @property
    def statistics(self) -> dict[str, float]:
        """Of all faces, shares: `NME`, and failure rates and areas by their bound."""
        return self.subsets["all"]

    @property
    def unjudged(self) -> int:
        """Faces that were read, but whose normaliser is not annotated."""
        return int(np.isnan(self.scores.errors).sum()) - self.skipped

    def table(self) -> str:
        """A line for all faces and one for each subset; errors in percent."""
        sizes = {name: len(errors) for name, errors in self.scores.by_subset().items()}
        wide = max(len(name) for name in sizes)
        names = list(self.statistics)
        lines = [
            f"{'':{wide}} {'faces':>6} {'NME %':>7} "
            + " ".join(f"{name:>8}" for name in names[1:])
        ]
        for name, found in self.subsets.items():
            nme, *others = found.values()
            lines.append(
                f"{name:{wide}} {sizes[name]:>6} {100 * nme:>7.2f} "
                + " ".join(f"{value:8.4f}" for value in others)
            )
        lines.append(f"{len(self.sources)} faces, {self.skipped} skipped")
        if self.unjudged:
            lines.append(
                f"{self.unjudged} faces are not judged: what errors are divided by is "
                "not annotated"
            )
        if self.undetected:
            lines.append(f"{self.undetected} more faces are in no detected box")
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "subsets": self.subsets,
            "faces": len(self.sources),
            "skipped": self.skipped,
            "unjudged": self.unjudged,
            "undetected": self.undetected,
        }

    def write_details(self, target: Path) -> None:
        """Write the curves of cumulative errors (PNG) and each face's error (CSV)."""
        curves = target.with_name(f"{target.stem}_curves.png")
        draw_error_curves(self.scores.by_subset(), BOUNDS[-1], "NME", curves)
        names = list(self.scores.subsets)
        members = zip(*self.scores.subsets.values(), strict=True)
        member_rows = list(members) if names else [()] * len(self.sources)
        rows = [
            (source, "" if np.isnan(error) else f"{error:.6f}", *map(int, member))
            for source, error, member in zip(
                self.sources, self.scores.errors, member_rows, strict=True
            )
        ]
        table = target.with_name(f"{target.stem}_errors.csv")
        write_rows(table, [("face", "NME", *names), *rows])


def judged_faces(
    manifest: LandmarkManifest, data: FaceData, settings: LandmarkEvaluate
) -> LandmarkManifest:
    """A model's facts with the crops and the decoding that it is judged with.

    Raises:
        InputError: if `data.landmarks` are others than the model's.
    """
    decoding = replace(
        manifest.decoding,
        refinement=settings.refinement,
        flip=settings.flip,
        sigma=data.sigma,
        padding=data.padding,
        rule=data.rule,
        stretched_twice=data.stretched_twice,
    )
    landmarks = LandmarkSet.read_like(data.landmarks, manifest.landmarks)
    return replace(manifest, decoding=decoding, landmarks=landmarks)


class LandmarkEvaluator:
    """Judges predictors on one part of a data set, as often as one likes.

    Args:
        data: the data set's section; its validation part is judged.
        settings: how predictions are made and judged.
        manifest: what the network takes; crops and decoding are those of `data` and
            `settings`.

    Raises:
        InputError: if the data cannot be read or has other landmarks.

    Example:
        ```python
        evaluator = LandmarkEvaluator(run.config.data, run.config.evaluate, manifest)
        predictor = LandmarkPredictor.from_model(run.model(), evaluator.manifest)
        print(evaluator.evaluate(predictor).table())
        ```
    """

    monitor = "NME"
    better = "min"

    def __init__(
        self, data: FaceData, settings: LandmarkEvaluate, manifest: LandmarkManifest
    ):
        self.settings = settings
        self.manifest = judged_faces(manifest, data, settings)
        self.where = data.validation.annotations
        self.part = LandmarkFaces(
            data.validation, self.manifest.landmarks, data.on_error
        )
        cutter = Cutter(self.manifest.geometry, data.stretched_twice)
        self.reader = FaceReader(
            self.part.faces, cutter, data.padding, data.on_error, data.reading
        )
        part = data.validation
        named = Path(part.annotations).stem + (f"_{part.part}" if part.part else "")
        flip = "flip" if settings.flip else "straight"
        # Tells evaluations of one run apart.
        self.name = "_".join((named, Path(part.boxes).stem, settings.refinement, flip))

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def faces(self) -> Faces:
        """Who is judged."""
        return self.part.faces

    @cached_property
    def _divisors(self) -> np.ndarray:
        return normalisers(self.faces.points, self.manifest.landmarks, self.faces.sides)

    def evaluate(
        self, predictor: LandmarkPredictor, progress: bool = False
    ) -> LandmarkEvaluation:
        """Predict every face and compare with the annotations.

        Raises:
            InputError: if an image is broken and `data.on_error` is `"stop"`, or none
                can be judged.
        """
        cells, _, good = self._locate(predictor, progress)
        rows = np.arange(len(self))
        found = self.manifest.geometry.to_image(cells, self._views(rows))
        errors = face_errors(found, self.faces.points, self._divisors)
        errors[~good] = np.nan
        if not good.any():
            problem = unreadable(len(self), self.reader.broken)
            raise InputError(f"{self.where}: {problem}.")
        if not np.isfinite(errors).any():
            raise InputError(
                f"{self.where}: no face can be judged: what errors are divided by is "
                f"not annotated ({', '.join(self.manifest.landmarks.normaliser)}), or "
                "the network's answers are not finite."
            )
        return LandmarkEvaluation(
            LandmarkScores(errors, self.faces.subsets),
            tuple(map(str, self.faces.sources)),
            int((~good).sum()),
            self.part.undetected,
        )

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_faces(self.reader, self.where)

    def survey(self) -> Survey:
        """Annotated landmarks by name."""
        part, landmarks = self.part, self.manifest.landmarks
        return survey_faces(self.reader, landmarks, part.broken, part.notes)

    def samples(self) -> dict[str, np.ndarray]:
        """Some real crops, and an image with its boxes, to check exports on."""
        crops, good = self._look(spread(len(self), 8))
        faces = self.faces
        _, firsts = np.unique(faces.images, return_index=True)
        tried = (row for row in np.sort(firsts) if self._look(row[None])[1][0])
        first = next(tried, 0)
        here = np.flatnonzero(faces.images == faces.images[first])[:4]
        if faces.files[first]:
            encoded = np.fromfile(faces.files[first], np.uint8)
        else:
            image = np.ascontiguousarray(self.reader.load(first)[..., ::-1])
            encoded = cv2.imencode(".png", image)[1].ravel()
        return {
            "crops": crops[good] if good.any() else crops,
            "image_bytes": encoded,
            "boxes": faces.boxes[here].astype(np.float32),
        }

    def draw(self, predictor: LandmarkPredictor) -> np.ndarray:
        """Some crops with what a predictor finds in them, and the errors, uint8 RGB."""
        rows = spread(len(self), SHOWN)
        crops, good = self._look(rows)
        rows, crops = rows[good], crops[good]
        if not len(rows):
            return contact_sheet([], columns=8)
        cells, scores = predictor.locate(crops)
        geometry = self.manifest.geometry
        found = geometry.to_image(cells, self._views(rows))
        errors = face_errors(found, self.faces.points[rows], self._divisors[rows])
        tiles = []
        for crop, points, values, error in zip(
            crops, geometry.crop_pixels(cells), scores, errors, strict=True
        ):
            face = in_crop(points, values, self.manifest.landmarks, geometry.size)
            caption = "" if np.isnan(error) else f"{error:.1%}"
            tiles.append(Tile(show_landmarks(crop, face), caption, error > BOUNDS[-1]))
        return contact_sheet(tiles, columns=8)

    def _look(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        crops, _, good = self.reader.look(rows, plain(len(rows)))
        return crops, good

    def _views(self, rows: np.ndarray) -> Views:
        scales = self.faces.scales[rows] * self.reader.padding
        widths = np.zeros(len(rows), np.int64)
        return views_of(self.faces.centers[rows], scales, plain(len(rows)), widths)

    def _locate(
        self, predictor: LandmarkPredictor, progress: bool
    ) -> tuple[np.ndarray, ...]:
        batches = upright_batches(self.reader, self.settings.batch_size)
        steps = -(-len(self) // self.settings.batch_size)
        broken = self.reader.broken
        return predictor.locate_batches(batches, steps, broken, progress)


def in_crop(
    points: np.ndarray, scores: np.ndarray, landmarks: LandmarkSet, size: int
) -> FaceLandmarks:
    """One face in pixels of its crop, to be drawn.

    Args:
        points: `(k, 2)`.
        scores: `(k,)`.
        landmarks: what they are called.
        size: of the crop.
    """
    box = np.array([[0, 0, size, size]], np.float32)
    return FaceLandmarks(
        np.asarray(points, np.float32)[None],
        np.asarray(scores, np.float32)[None],
        box,
        np.ones(1, np.float32),
        landmarks,
    )
