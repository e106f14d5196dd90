"""Everyone in a whole data set, judged by COCO's metric or by CrowdPose's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import write_json
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import unreadable
from hrnet_tf.images.preprocess import warp
from hrnet_tf.images.sheets import contact_sheet
from hrnet_tf.tasks.bottom_up.config import BottomUpData, BottomUpEvaluate
from hrnet_tf.tasks.bottom_up.geometry import look_into
from hrnet_tf.tasks.bottom_up.grouping import Grouping
from hrnet_tf.tasks.bottom_up.manifest import BottomUpManifest, Looks
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.bottom_up.scenes import CocoScenes
from hrnet_tf.tasks.bottom_up.survey import check_scenes, survey_scenes
from hrnet_tf.tasks.keypoints.crops import CropReader
from hrnet_tf.tasks.keypoints.drawing import show_pose
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet

SHOWN = 16  # images in a picture
CROPS = 8  # images that exports are compared on


@dataclass(frozen=True)
class BottomUpEvaluation:
    """How good predictions of everyone are.

    Attributes:
        statistics: COCO's names, or CrowdPose's, to numbers in [0, 1]; -1: there is
            nothing of the kind.
        images: how many were looked at.
        results: entries of a COCO result file.
        unread: ids of the images that are missing or could not be read; nobody in them
            is judged.
    """

    statistics: dict[str, float]
    images: int
    results: list[dict[str, Any]]
    unread: tuple[int, ...] = ()

    def table(self) -> str:
        """The statistics as text, one column each."""
        names = self.statistics
        return "\n".join(
            [
                " ".join(f"{name:>6}" for name in names),
                " ".join(f"{v:{max(6, len(name))}.3f}" for name, v in names.items()),
                f"{self.images} images, {len(self.results)} people found, "
                f"{len(self.unread)} images missing or unreadable, in which nobody is "
                "judged",
            ]
        )

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "images": self.images,
            "people_found": len(self.results),
            "unread_images": list(self.unread),
        }

    def write_details(self, target: Path) -> None:
        """Write a COCO result file beside the JSON file of the evaluation."""
        results = target.with_name(f"{target.stem}_results.json")
        write_json(results, self.results, indent=None)


def judged_people(
    manifest: BottomUpManifest, data: BottomUpData, settings: BottomUpEvaluate
) -> BottomUpManifest:
    """A model's facts with looks, grouping and sigmas that it is judged with.

    Raises:
        InputError: if `data.keypoints` are others than the model's.
    """
    keypoints = KeypointSet.read_like(data.keypoints, manifest.keypoints)
    short = manifest.looks.short_side
    looks = Looks(short, settings.flip, tuple(settings.scales), settings.project)
    grouping = Grouping(
        settings.most,
        settings.threshold,
        settings.tag_threshold,
        settings.window,
        settings.adjust,
        settings.refine,
    )
    return replace(manifest, looks=looks, grouping=grouping, keypoints=keypoints)


class BottomUpEvaluator:
    """Judges predictors on the validation images, as often as one likes.

    Args:
        data: the data set's section; its validation part is judged.
        settings: how predictions are made and judged.
        manifest: what the network takes.

    Raises:
        InputError: if the data cannot be read or has other keypoints.
    """

    monitor = "AP"

    def __init__(
        self,
        data: BottomUpData,
        settings: BottomUpEvaluate,
        manifest: BottomUpManifest,
    ):
        self.settings = settings
        self.manifest = judged_people(manifest, data, settings)
        self.where = data.validation.annotations
        self.source = CocoScenes(
            data.validation,
            self.manifest.keypoints,
            data.on_error,
            data.format == "crowdpose",
        )
        self.scenes = self.source.scenes(masked=False)
        self.reader = CropReader(
            self.scenes.images, manifest.input.size, data.on_error, data.reading
        )
        scales = "_".join(f"{scale:g}" for scale in settings.scales)
        flip = "flip" if settings.flip else "straight"
        # Tells evaluations of one run apart.
        self.name = f"{Path(self.where).stem}_scale_{scales}_{flip}"

    def __len__(self) -> int:
        return len(self.scenes)

    def evaluate(
        self, predictor: BottomUpPredictor, progress: bool = False
    ) -> BottomUpEvaluation:
        """Find everyone and compare with the annotations.

        Raises:
            InputError: if an image is broken and `data.on_error` is `"stop"`, or all
                are.
        """
        unread = set(self.source.unread)
        results: list[dict[str, Any]] = []
        read = 0
        numbers = self.scenes.images.image_ids
        steps = progress_bar(
            list(self._batches(predictor)), unit="batch", shown=progress
        )
        # The next images are read while a network looks at these.
        with ThreadPoolExecutor(1) as ahead:
            waiting = None
            for rows in [*steps, None]:
                ready, waiting = (
                    waiting,
                    rows and (rows, ahead.submit(self._read, rows)),
                )
                if ready is None:
                    continue
                chosen, images = ready[0], ready[1].result()
                good = [i for i, image in enumerate(images) if image is not None]
                unread |= {int(numbers[r]) for r in chosen} - {
                    int(numbers[chosen[i]]) for i in good
                }
                read += len(good)
                found = predictor.predict_several([images[i] for i in good])
                for i, people in zip(good, found, strict=True):
                    number = int(numbers[chosen[i]])
                    results += people.to_coco(number, self.source.part.category)
        if not read:
            problem = unreadable(len(self), self.reader.broken)
            raise InputError(f"{self.where}: {problem}.")
        statistics = self.source.part.precision(results, unread)
        return BottomUpEvaluation(statistics, len(self), results, tuple(sorted(unread)))

    def _batches(self, predictor: BottomUpPredictor) -> Iterator[list[int]]:
        """Rows of images that are looked at together: those of one size."""
        together: dict[Any, list[int]] = {}
        for row, size in enumerate(self.scenes.images.image_sizes):
            key = tuple(look.size for look in predictor.looks(size))
            together.setdefault(key, []).append(row)
        count = self.settings.batch_size
        for rows in together.values():
            yield from (rows[i : i + count] for i in range(0, len(rows), count))

    def _read(self, rows: list[int]) -> list[np.ndarray | None]:
        return [self._image(row) for row in rows]

    def _image(self, row: int) -> np.ndarray | None:
        """An image; None: it is broken, and the policy is to go on."""
        try:
            return self.reader.load(row)[0]
        except (InputError, OSError) as error:
            self.reader.broken.add(f"{self.scenes.images.sources[row]}: {error}")
            return None

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_scenes(self.reader, self.where)

    def survey(self) -> Survey:
        """Annotated keypoints by name."""
        return survey_scenes(
            self.reader,
            self.scenes,
            self.manifest.keypoints,
            self.source.broken,
            self.source.notes,
        )

    def _spread(self, count: int) -> np.ndarray:
        """Which images, all over the data."""
        return np.unique(np.linspace(0, len(self) - 1, count).astype(int))

    def samples(self) -> dict[str, np.ndarray]:
        """Some images at the network's size, and an encoded one, for exports."""
        size = self.manifest.input.size
        images = [self._image(int(row)) for row in self._spread(CROPS)]
        good = [image for image in images if image is not None]
        good = good or [np.zeros((*size, 3), np.uint8)]
        crops = [
            warp(image, look_into(image.shape[:2], size).matrix, size) for image in good
        ]
        encoded = cv2.imencode(".png", np.ascontiguousarray(good[0][..., ::-1]))[1]
        return {"crops": np.stack(crops), "image_bytes": encoded.ravel()}

    def draw(self, predictor: BottomUpPredictor) -> np.ndarray:
        """Some images with everyone whom a predictor finds in them, uint8 RGB."""
        pictures = []
        for row in self._spread(SHOWN):
            image = self._image(int(row))
            if image is not None:
                pictures.append(show_pose(image, predictor.predict(image)))
        return contact_sheet(pictures, columns=4)
