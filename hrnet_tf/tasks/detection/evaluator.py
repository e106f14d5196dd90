"""Objects in a whole data set, judged by COCO's metric and WIDER FACE's."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import write_json, write_rows
from hrnet_tf.data.choice import spread
from hrnet_tf.data.survey import Survey
from hrnet_tf.data.usable import unreadable
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.preprocess import resized
from hrnet_tf.images.sheets import Tile, contact_sheet
from hrnet_tf.tasks.detection.config import DetectionData, DetectionEvaluate
from hrnet_tf.tasks.detection.drawing import draw_objects
from hrnet_tf.tasks.detection.manifest import DetectionManifest
from hrnet_tf.tasks.detection.pipeline import ObjectReader
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from hrnet_tf.tasks.detection.result import FoundObjects
from hrnet_tf.tasks.detection.scores import MASKS, SURE, ObjectScores, judge
from hrnet_tf.tasks.detection.sources import open_part
from hrnet_tf.tasks.detection.survey import check_objects, survey_objects
from hrnet_tf.tasks.detection.truth import draw_row
from hrnet_tf.tasks.detection.wider_face import WiderFaces
from hrnet_tf.tasks.detection.wider_scores import read_subsets, wider_average_precision

SHOWN = 16  # images in a picture
WORST = 12  # images with the most mistakes
CROPS = 4  # images that exports are compared on


@dataclass(frozen=True)
class DetectionEvaluation:
    """How good predictions of objects are.

    Attributes:
        statistics: names to numbers in [0, 1]: COCO's of boxes, those of masks with
            `mask_` before, and `easy`, `medium` and `hard` of WIDER FACE.
        images: how many were looked at.
        results: entries of a COCO result file.
        boxes: how good boxes are.
        masks: how good masks are; None: they are not looked for.
        unread: ids of the images that are missing or could not be read; nothing in them
            is judged.
        worst: a picture of the images with most mistakes, uint8 RGB; None: there are no
            mistakes.
    """

    statistics: dict[str, float]
    images: int
    results: list[dict[str, Any]]
    boxes: ObjectScores
    masks: ObjectScores | None = None
    unread: tuple[int, ...] = ()
    worst: np.ndarray | None = field(default=None, repr=False)

    def table(self) -> str:
        """The statistics as text, and a line for each class."""
        lines = []
        names = list(self.statistics)
        for start in range(0, len(names), 6):
            row = names[start : start + 6]
            wide = [max(6, len(name)) for name in row]
            values = [self.statistics[name] for name in row]
            lines += [
                " ".join(f"{n:>{w}}" for n, w in zip(row, wide, strict=True)),
                " ".join(f"{v:{w}.3f}" for v, w in zip(values, wide, strict=True)),
            ]
        lines += [
            f"{self.images} images, {len(self.results)} objects found, "
            f"{len(self.unread)} images missing or unreadable, in which nothing is "
            "judged",
            "",
            self.boxes.table(),
        ]
        if self.masks is not None:
            lines += ["", "masks:", self.masks.table()]
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "images": self.images,
            "objects_found": len(self.results),
            "unread_images": list(self.unread),
        }

    def write_details(self, target: Path) -> None:
        """Write results (COCO's JSON), classes (CSV), curves and the worst images."""

        def beside(name: str) -> Path:
            return target.with_name(f"{target.stem}_{name}")

        write_json(beside("results.json"), self.results, indent=None)
        kinds = {"": self.boxes} | ({MASKS: self.masks} if self.masks else {})
        rows: list[tuple[Any, ...]] = [("kind", "class", "AP", "AP50", "AR", "objects")]
        for name, scores in kinds.items():
            kind = name.rstrip("_") or "box"
            rows += [(kind, *row) for row in scores.per_class()]
            scores.draw(beside(f"{name}precision.png"))
        write_rows(beside("classes.csv"), rows)
        if self.worst is not None:
            write_image(beside("worst.jpg"), self.worst)


class DetectionEvaluator:
    """Judges predictors on the validation images, as often as one likes.

    Args:
        data: the data set's section; its validation part is judged.
        settings: how predictions are made.
        manifest: what the network takes, and its classes.

    Raises:
        InputError: if the data cannot be read or have other classes.
    """

    monitor = "AP"

    def __init__(
        self,
        data: DetectionData,
        settings: DetectionEvaluate,
        manifest: DetectionManifest,
    ):
        self.settings = settings
        self.manifest = judged_objects(manifest, data)
        self.where = data.validation.annotations
        self.source = open_part(
            data, data.validation, masks=manifest.masks, training=False
        )
        # The model's labels, with the ids that this file gives the classes.
        self.classes = manifest.classes.of_file(self.source.classes, self.where)
        self.reader = ObjectReader(
            self.source.objects(),
            manifest.masks,
            data.bucket,
            data.scale,
            data.on_error,
            data.reading,
        )
        self.subsets = data.validation.subsets
        self.truth = read_subsets(self.subsets) if self.subsets else {}
        # Tells evaluations of one run apart.
        longer, shorter = self.manifest.scale
        self.name = f"{Path(self.where).stem}_{longer}x{shorter}"

    def __len__(self) -> int:
        return len(self.reader.objects)

    def evaluate(
        self, predictor: DetectionPredictor, progress: bool = False
    ) -> DetectionEvaluation:
        """Find everything and compare with the annotations.

        Raises:
            InputError: if an image is broken and `data.on_error` is `"stop"`, or all
                are.
        """
        unread, results = set(self.source.unread), []
        read = 0
        for row, found in self._found(predictor, progress):
            number = int(self.reader.objects.images.image_ids[row])
            if found is None:
                unread.add(number)
                continue
            read += 1
            results += replace(found, classes=self.classes).to_coco(number)
        if not read:
            problem = unreadable(len(self), self.reader.files.broken)
            raise InputError(f"{self.where}: {problem}.")
        given = self.source.ground_truth, results, self.classes
        boxes = judge(*given, "bbox", unread)
        masks = judge(*given, "segm", unread) if self.manifest.masks else None
        statistics = dict(boxes.statistics)
        if masks is not None:
            statistics |= {MASKS + n: v for n, v in masks.statistics.items()}
        statistics |= self._faces(results)
        worst = self._worst(predictor, masks or boxes)
        return DetectionEvaluation(
            statistics, len(self), results, boxes, masks, tuple(sorted(unread)), worst
        )

    def _found(
        self, predictor: DetectionPredictor, progress: bool
    ) -> Iterator[tuple[int, FoundObjects | None]]:
        """What is found in each image; None: it cannot be read."""
        batches = list(self._batches(predictor))
        # The next images are read while a network looks at these.
        with ThreadPoolExecutor(1) as ahead:
            waiting = ahead.submit(self._read, batches[0])
            for number in progress_bar(
                range(len(batches)), unit="batch", shown=progress
            ):
                images = waiting.result()
                if number + 1 < len(batches):
                    waiting = ahead.submit(self._read, batches[number + 1])
                good = {i: each for i, each in enumerate(images) if each is not None}
                found = predictor.predict_several(list(good.values()))
                answers = dict(zip(good, found, strict=True))
                for i, row in enumerate(batches[number]):
                    yield row, answers.get(i)

    def _batches(self, predictor: DetectionPredictor) -> Iterator[list[int]]:
        """Rows of images that are looked at together: those of one padded size."""
        together: dict[tuple[int, int], list[int]] = {}
        for row, size in enumerate(self.reader.objects.images.image_sizes.tolist()):
            together.setdefault(predictor.padded_size(size), []).append(row)
        count = self.settings.batch_size
        for rows in together.values():
            yield from (rows[i : i + count] for i in range(0, len(rows), count))

    def _read(self, rows: Sequence[int]) -> list[np.ndarray | None]:
        return [self.reader.image(row) for row in rows]

    def _faces(self, results: Sequence[dict[str, Any]]) -> dict[str, float]:
        """WIDER FACE's own metric, where its subsets are given."""
        if not self.truth or not isinstance(self.source, WiderFaces):
            return {}
        boxes: dict[str, list[Any]] = {}
        scores: dict[str, list[float]] = {}
        for entry in results:
            name = self.source.names[entry["image_id"]]
            boxes.setdefault(name, []).append(entry["bbox"])
            scores.setdefault(name, []).append(entry["score"])
        return wider_average_precision(
            self.truth,
            {name: np.array(own) for name, own in boxes.items()},
            {name: np.array(own) for name, own in scores.items()},
        )

    def _worst(
        self, predictor: DetectionPredictor, scores: ObjectScores
    ) -> np.ndarray | None:
        """The images with the most mistakes, as annotated and as found."""
        numbers = self.reader.objects.images.image_ids.tolist()
        mistakes = np.array([scores.mistakes.get(number, 0) for number in numbers])
        order = np.argsort(-mistakes, kind="stable")[:WORST]
        tiles = []
        for row in order[mistakes[order] > 0].tolist():
            tiles += self._pair(predictor, row, f"{mistakes[row]} mistakes")
        return contact_sheet(tiles, columns=4, side=400) if tiles else None

    def _pair(
        self, predictor: DetectionPredictor, row: int, told: str = ""
    ) -> list[Tile]:
        """An image as annotated and as found; nothing if it cannot be read."""
        image = self.reader.image(row)
        if image is None:
            return []
        name = Path(str(self.reader.objects.images.files[row])).name
        truth = draw_row(image, self.reader.objects, row, self.manifest.classes)
        found = predictor.predict(image).above(SURE)
        return [
            Tile(truth, name),
            Tile(draw_objects(image, found), told or f"{len(found)} found"),
        ]

    def check(self) -> None:
        """See `hrnet_tf.data.usable`."""
        check_objects(self.reader, self.where)

    def survey(self) -> Survey:
        """Objects by class."""
        return survey_objects(self.reader, self.source)

    def samples(self) -> dict[str, np.ndarray]:
        """Some images at the network's size, and an encoded one, for exports."""
        size = self.manifest.input.size
        images = [self.reader.image(int(row)) for row in spread(len(self), CROPS)]
        good = [image for image in images if image is not None]
        good = good or [np.zeros((*size, 3), np.uint8)]
        crops = np.zeros((len(good), *size, 3), np.uint8)
        for crop, image in zip(crops, good, strict=True):
            factor = min(size[0] / image.shape[0], size[1] / image.shape[1])
            sides = [max(1, int(side * factor + 0.5)) for side in image.shape[:2]]
            crop[: sides[0], : sides[1]] = resized(image, (sides[0], sides[1]))
        encoded = cv2.imencode(".png", np.ascontiguousarray(good[0][..., ::-1]))[1]
        return {"crops": crops, "image_bytes": encoded.ravel()}

    def draw(self, predictor: DetectionPredictor) -> np.ndarray:
        """Some images with what a predictor finds in them, uint8 RGB."""
        tiles: list[Tile] = []
        for row in spread(len(self), SHOWN // 2):
            tiles += self._pair(predictor, int(row))
        return contact_sheet(tiles, columns=4, side=320)


def judged_objects(
    manifest: DetectionManifest, data: DetectionData
) -> DetectionManifest:
    """A model's facts with the size at which images are judged."""
    longer, shorter = data.scale
    return replace(manifest, scale=(longer, shorter))
