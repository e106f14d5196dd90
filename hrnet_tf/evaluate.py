"""Predictions for a whole data set, judged by COCO's metric."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hrnet_tf.config import DataSection, EvaluateSection
from hrnet_tf.data.augment import plain_crops
from hrnet_tf.data.coco import CocoKeypoints
from hrnet_tf.data.people import People
from hrnet_tf.data.pipeline import CropReader, crop_batches
from hrnet_tf.manifest import Manifest, versions
from hrnet_tf.metrics.coco import (
    average_precision,
    person_scores,
    suppress,
    suppress_softly,
)
from hrnet_tf.predict import PosePredictor
from hrnet_tf.preprocess import crop_of_box
from hrnet_tf.run import Run


@dataclass(frozen=True)
class Evaluation:
    """How good predictions are.

    Attributes:
        statistics: COCO's names to numbers in [0, 1].
        people: how many were looked at.
        skipped: how many of them could not be read.
        results: entries of a COCO result file.
    """

    statistics: dict[str, float]
    people: int
    skipped: int
    results: list[dict[str, Any]]

    def table(self) -> str:
        """The statistics as text, one column each."""
        names = self.statistics
        return "\n".join(
            (
                " ".join(f"{name:>6}" for name in names),
                " ".join(f"{value:6.3f}" for value in names.values()),
            )
        )


class Evaluator:
    """Judges predictors on one part of a data set, as often as one likes.

    Args:
        data: the data set's section; its validation part is judged.
        settings: how predictions are made and judged.
        manifest: what the network takes.

    Example:
        ```python
        evaluator = Evaluator(config.data, config.evaluate, run.make_manifest())
        predictor = PosePredictor.from_model(run.model(), evaluator.manifest)
        print(evaluator.evaluate(predictor).table())
        ```
    """

    def __init__(
        self, data: DataSection, settings: EvaluateSection, manifest: Manifest
    ):
        self.settings = settings
        decoding = replace(
            manifest.decoding,
            refinement=settings.refinement,
            flip=settings.flip,
            shift=settings.shift,
            padding=data.padding,
        )
        self.manifest = replace(manifest, decoding=decoding)
        self.part = CocoKeypoints(data.validation, manifest.keypoints, data.on_error)
        self.people = self.part.people()
        self.reader = CropReader(self.people, manifest.input.size, data.on_error)
        self.geometry = (manifest.input.size, data.padding)

    def evaluate(self, predictor: PosePredictor, progress: bool = False) -> Evaluation:
        """Predict everyone and compare with the annotations.

        Raises:
            InputError: if an image is broken and `data.on_error` is `"stop"`.
        """
        cells, scores, good = self._locate(predictor, progress)
        keypoints = predictor.to_image(cells, self.people.boxes)
        kept = np.flatnonzero(good)
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
            self.part.ground_truth, results, self.part.category, sigmas
        )
        return Evaluation(statistics, len(self.people), int((~good).sum()), results)

    def _locate(self, predictor: PosePredictor, progress: bool) -> list[np.ndarray]:
        matrices = plain_crops(self.people, self.geometry)
        batches = crop_batches(self.reader, matrices, self.settings.batch_size)
        steps = -(-len(self.people) // self.settings.batch_size)
        parts = []
        with self.reader.errors_explained():
            for crops, good in tqdm(
                batches, total=steps, unit="batch", disable=not progress
            ):
                parts.append((*predictor.locate(crops.numpy()), good.numpy()))
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


def coco_results(
    people: People,
    keypoints: np.ndarray,
    scores: np.ndarray,
    manifest: Manifest,
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
    total = person_scores(people.scores, scores, settings.keypoint_threshold)
    height, width = manifest.input.size
    _, widths = crop_of_box(people.boxes, width / height, manifest.decoding.padding)
    areas = widths * widths * height / width
    choose = suppress_softly if settings.soft_nms else suppress
    sigmas, threshold = manifest.keypoints.sigmas, settings.nms_threshold
    results = []
    for image_id in np.unique(people.image_ids):
        here = np.flatnonzero(people.image_ids == image_id)
        chosen = choose(keypoints[here], total[here], areas[here], sigmas, threshold)
        for person in here[chosen]:
            triples = np.concatenate(
                [keypoints[person], scores[person, :, None]], axis=-1
            )
            results.append(
                {
                    "image_id": int(image_id),
                    "category_id": category,
                    "keypoints": np.round(triples.ravel(), 4).tolist(),
                    "score": float(total[person]),
                }
            )
    return results


def evaluate_run(
    folder: str | Path, overrides: tuple[str, ...] = (), progress: bool = True
) -> tuple[Evaluation, Path]:
    """Judge a run's best weights on its validation data.

    Args:
        folder: the run.
        overrides: `key=value` settings that win over the run's, such as
            `data.validation.boxes=detections.json` or `evaluate.refinement=dark`.
        progress: whether to show a bar.

    Returns:
        The evaluation, and the JSON file it was written to: `evaluations/` in the run's
        folder, under a name that tells the boxes, the refinement and flipping. A text
        table and a COCO result file lie beside it.

    Raises:
        InputError: if the run, its data or the settings are no good.
    """
    run = Run.open(folder, overrides)
    data, settings = run.config.data, run.config.evaluate
    evaluator = Evaluator(data, settings, run.make_manifest())
    predictor = PosePredictor.from_model(run.model(), evaluator.manifest)
    evaluation = evaluator.evaluate(predictor, progress)

    boxes = Path(data.validation.boxes or "annotated_boxes").stem
    parts = [boxes, settings.refinement, "flip" if settings.flip else "straight"]
    target = run.folder / "evaluations" / ("_".join(parts) + ".json")
    target.parent.mkdir(exist_ok=True)
    facts = {
        "statistics": evaluation.statistics,
        "people": evaluation.people,
        "skipped": evaluation.skipped,
        "data": asdict(data.validation),
        "settings": asdict(settings),
        "weights": str(run.best),
        "versions": versions(),
    }
    target.write_text(json.dumps(facts, indent=2) + "\n")
    target.with_suffix(".txt").write_text(evaluation.table() + "\n")
    results = target.with_name(f"{target.stem}_results.json")
    results.write_text(json.dumps(evaluation.results))
    return evaluation, target
