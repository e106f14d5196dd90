"""Whose files people come from, and how predictions of them are judged."""

from typing import Any, Protocol

import numpy as np

from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.config import DataSection, EvaluateSection, PartSection
from hrnet_tf.tasks.pose.head_scores import head_statistics
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.tasks.pose.mpii import MpiiPeople
from hrnet_tf.tasks.pose.predictor import choose_people

Results = list[dict[str, Any]]


class Part(Protocol):
    """One part of a data set of people.

    Attributes:
        notes: what else is known, a line each.
        broken: what was skipped so far, a line each.
        unread: ids of images that are missing or empty.
    """

    notes: list[str]
    broken: list[str]
    unread: set[int]

    def annotated(self) -> People:
        """Everyone with keypoints."""

    def people(self) -> People:
        """Everyone to look at."""


class Judge(Protocol):
    """Compares predictions of people with the annotations.

    Attributes:
        monitor: the statistic that tells the best weights.
    """

    monitor: str

    def judge(
        self,
        people: People,
        keypoints: np.ndarray,
        scores: np.ndarray,
        unread: set[int],
    ) -> tuple[dict[str, float], Results]:
        """Statistics, and entries of a result file.

        Args:
            people: who was looked at.
            keypoints: `(n, k, 2)` in image pixels.
            scores: `(n, k)`.
            unread: ids of images in which nobody is judged.
        """


def open_part(data: DataSection, section: PartSection, keypoints: KeypointSet) -> Part:
    """A part of a data set, in the format that the configuration says."""
    if data.format == "mpii":
        return MpiiPeople(section, keypoints, data.on_error, data.reading)
    return CocoKeypoints(section, keypoints, data.on_error, data.format == "crowdpose")


def judge_of(part: Part, manifest: PoseManifest, settings: EvaluateSection) -> Judge:
    """What compares predictions for a part of a data set."""
    if isinstance(part, MpiiPeople):
        return HeadJudge(part, manifest.keypoints)
    if isinstance(part, CocoKeypoints):
        return PrecisionJudge(part, manifest, settings)
    raise TypeError(f"No metric is known for people from {type(part).__name__}.")


class PrecisionJudge:
    """Average precision: COCO's, or CrowdPose's for its images."""

    monitor = "AP"

    def __init__(
        self, part: CocoKeypoints, manifest: PoseManifest, settings: EvaluateSection
    ):
        self.part, self.manifest, self.settings = part, manifest, settings

    def judge(
        self,
        people: People,
        keypoints: np.ndarray,
        scores: np.ndarray,
        unread: set[int],
    ) -> tuple[dict[str, float], Results]:
        """See `Judge`."""
        given, category = (people, keypoints, scores), self.part.category
        results = coco_results(*given, self.manifest, self.settings, category)
        return self.part.precision(results, unread), results


class HeadJudge:
    """MPII's PCKh: everyone is predicted once, where annotated."""

    monitor = "Mean"

    def __init__(self, part: MpiiPeople, keypoints: KeypointSet):
        self.part, self.keypoints = part, keypoints
        self.heads = part.heads()

    def judge(
        self,
        people: People,
        keypoints: np.ndarray,
        scores: np.ndarray,
        unread: set[int],
    ) -> tuple[dict[str, float], Results]:
        """See `Judge`; who could not be read does not count."""
        heads, row_of = self.heads, self.part.row_of
        rows = np.array([row_of[source] for source in people.sources], np.int64)
        statistics = head_statistics(
            keypoints + 1,  # as the annotations count
            heads.places[rows],
            heads.annotated[rows],
            heads.boxes[rows],
            self.keypoints.names,
        )
        triples = np.concatenate([keypoints, scores[..., None]], axis=-1)
        results = [
            {
                "person": int(row),
                "image": self.part.entries[row].image,
                "keypoints": np.round(found.ravel(), 4).tolist(),
            }
            for row, found in zip(rows, triples, strict=True)
        ]
        return statistics, results


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
