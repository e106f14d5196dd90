"""What differs between tasks when files are looked at: what is found and drawn."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import writing
from hrnet_tf.images.boxes import check_place
from hrnet_tf.images.header import Orientation
from hrnet_tf.images.legends import as_text
from hrnet_tf.images.pictures import (
    draw_classes,
    draw_labels,
    draw_map,
    show_pose,
    write_labels,
)
from hrnet_tf.tasks.base.results import DenseMap, LabelMap
from hrnet_tf.tasks.classification.predictor import ImageClassifier
from hrnet_tf.tasks.keypoints.coco_doubts import box_doubts
from hrnet_tf.tasks.keypoints.coco_files import find_category, read_annotations
from hrnet_tf.tasks.keypoints.detections import Detections, check_detection
from hrnet_tf.tasks.pose.config import EvaluateSection
from hrnet_tf.tasks.pose.inputs import FrameInputs, ImageInputs
from hrnet_tf.tasks.pose.predictor import PosePredictor, choose_people
from hrnet_tf.tasks.regression.channels import robust_spans
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor

logger = logging.getLogger(__name__)

NOT_FINITE = (
    "The model's answers are not finite numbers: its training has gone wrong, or its "
    "file is damaged; take another run or export."
)
LINES = 2  # of the legend in every frame of a video


class Viewer(ABC):
    """Looks at images: what differs between tasks.

    Attributes:
        entries: what it has found, for a JSON file.
        file_name: of that file.
        predictor: finds it.
    """

    file_name: ClassVar[str]
    predictor: Any

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def prepare(self, files: Sequence[Path]) -> list[int | str]:
        """The ids of image files that are going to be looked at; see `ImageInputs`."""
        return ImageInputs(files).ids

    def prepare_video(self, video: Path) -> None:  # noqa: B027  (most need not)
        """Get ready for the frames of a video; their ids are numbers from 0."""

    def check(self, path: Path, image_id: int | str, image: np.ndarray) -> None:  # noqa: B027
        """Raise an InputError if an image is not the one that its id says."""

    def finish(self) -> None:  # noqa: B027  (most have nothing to say)
        """Tell what only shows when all images have been looked at."""

    @property
    def orientation(self) -> Orientation:
        """How image files are turned for the predictor."""
        return self.predictor.manifest.input.orientation

    @abstractmethod
    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Look at an image, uint8 RGB; gives it with the findings drawn on it."""

    @abstractmethod
    def count(self) -> str:
        """How much was found, in words."""

    def look_ahead(  # noqa: B027  (most do not)
        self, images: Iterable[np.ndarray], frames: bool
    ) -> None:
        """Look ahead, before the first image.

        Args:
            images: some of what is to come, uint8 RGB, read only if asked for.
            frames: whether they are those of a video, whose pictures must be alike.
        """

    def write_more(self, folder: Path, stem: str) -> None:  # noqa: B027  (most do not)
        """Write what else is known of the last image, under names that begin so."""


class PoseViewer(Viewer):
    """Finds people; the entries are those of a COCO result file.

    Args:
        predictor: finds the keypoints.
        boxes: whom to look at, a file of COCO results; None: one person who fills the
            image. People who are seen twice are left out, as evaluation does.
        threshold: keypoints with a lower score are not drawn.
        annotations: a COCO file that says the images' ids and sizes, and the people's
            category; None: the category is 1, as in COCO.
        box_threshold: boxes with a lower score are left out.
        settings: how people are scored and suppressed.
        scores: whether to write how sure each person is into the picture.

    Raises:
        InputError: if a file cannot be read.
    """

    file_name = "keypoints.json"

    def __init__(
        self,
        predictor: PosePredictor,
        boxes: str | Path | None = None,
        threshold: float = 0.2,
        *,
        annotations: str | Path | None = None,
        box_threshold: float = 0.0,
        settings: EvaluateSection | None = None,
        scores: bool = False,
    ):
        super().__init__()
        self.predictor = predictor
        self.scores = scores
        self.threshold = threshold
        self.settings = settings or EvaluateSection()
        self.category = 1
        self._annotations = None
        if annotations is not None:
            self._annotations = read_annotations(str(annotations))
            keypoints = predictor.manifest.keypoints
            self.category = find_category(
                self._annotations, keypoints, str(annotations)
            )
        self._detections = None
        if boxes is not None:
            self._detections = Detections(boxes, self.category, box_threshold)
        self._inputs: ImageInputs | FrameInputs | None = None
        self._frames = 0
        self._misplaced: list[str] = []
        self._placed: list[tuple[Any, dict[str, int]]] = []

    def prepare(self, files: Sequence[Path]) -> list[int | str]:
        """See `Viewer`; tells which boxes are of which images."""
        inputs = ImageInputs(files, self._detections, self._annotations)
        for line in inputs.lines:
            logger.warning("%s", line)
        self._inputs = inputs
        return inputs.ids

    def prepare_video(self, video: Path) -> None:
        """See `Viewer`."""
        if self._detections is not None:
            self._inputs = FrameInputs(video, self._detections)

    def check(self, path: Path, image_id: int | str, image: np.ndarray) -> None:
        """See `Viewer`."""
        if isinstance(self._inputs, ImageInputs) and image_id in self._inputs.sizes:
            height, width = self._inputs.sizes[image_id]
            if image.shape[:2] != (height, width):
                hint = (
                    "; is it turned by its EXIF tag? This model takes files "
                    f"{self.orientation} (data.orientation of its training)"
                )
                raise InputError(
                    f"{path} (image id {image_id}) has {image.shape[1]}x"
                    f"{image.shape[0]} pixels (width x height), its annotation says "
                    f"{width}x{height}"
                    + (hint if image.shape[:2] == (width, height) else "")
                )

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Find people; see `Viewer`."""
        self._frames += 1
        pose = self.predictor.predict(image, *self._boxes_of(name, image_id, image))
        check_finite(pose.scores, pose.keypoints)
        chosen, totals = choose_people(
            pose.keypoints,
            pose.scores,
            pose.boxes,
            pose.box_scores,
            self.predictor.manifest,
            self.settings,
        )
        chosen = np.sort(chosen)
        pose = pose.take(chosen)
        self.entries.extend(pose.to_coco(image_id, self.category, totals[chosen]))
        shown = self._detections is not None
        return show_pose(image, pose, self.threshold, shown, self.scores)

    def _boxes_of(
        self, name: str, image_id: int | str, image: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        if self._detections is None or self._inputs is None:
            return None, None
        boxes, scores = [], []
        size = {"width": image.shape[1], "height": image.shape[0]}
        for row in self._inputs.rows.get(image_id, ()):
            box, score = check_detection(row)
            self._placed.append((row["bbox"], size))
            try:
                check_place(box, image.shape[1], image.shape[0])
            except InputError as error:
                self._misplaced.append(f"box {row['id']} of {name}: {error}")
                continue
            boxes.append(box)
            scores.append(score)
        return np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)

    def finish(self) -> None:
        """See `Viewer`."""
        if isinstance(self._inputs, FrameInputs):
            logger.warning("%s", self._inputs.tell(self._frames))
        if self._misplaced and self._detections is not None:
            logger.warning(
                "%s: %d boxes are left out, such as %s",
                self._detections.path,
                len(self._misplaced),
                self._misplaced[0],
            )
        if self._detections is not None:
            for line in box_doubts(self._placed):
                logger.warning("%s: %s", self._detections.path, line)

    def count(self) -> str:
        """How many people."""
        return f"{len(self.entries) or 'no'} people"


class ClassViewer(Viewer):
    """Classifies images; the entries hold the five likeliest classes."""

    file_name = "classes.json"

    def __init__(self, predictor: ImageClassifier):
        super().__init__()
        self.predictor = predictor

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Classify; see `Viewer`."""
        answer = self.predictor.predict(image)
        top = [{"class": label, "probability": p} for label, p in answer.top(5)]
        self.entries.append({"file_name": name, "image_id": image_id, "classes": top})
        return draw_classes(image, answer)

    def count(self) -> str:
        """How many different classes."""
        found = {entry["classes"][0]["class"] for entry in self.entries}
        return f"{len(found)} classes"


class SegmentViewer(Viewer):
    """Labels pixels; the entries hold each class's share of the image.

    Args:
        predictor: labels images.
    """

    file_name = "shares.json"

    def __init__(self, predictor: SegmentationPredictor):
        super().__init__()
        self.predictor = predictor
        self._last: LabelMap | None = None
        self._frames = False

    def look_ahead(self, images: Iterable[np.ndarray], frames: bool) -> None:
        """Remember whether all pictures must have one size; see `Viewer`."""
        self._frames = frames

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Label pixels; see `Viewer`."""
        answer = self.predictor.predict(image)
        self._last = answer
        shares = answer.shares()
        self.entries.append({"file_name": name, "image_id": image_id, "shares": shares})
        return draw_labels(image, answer, lines=LINES if self._frames else None)

    def count(self) -> str:
        """How many different classes."""
        return f"{len({name for e in self.entries for name in e['shares']})} classes"

    def write_more(self, folder: Path, stem: str) -> None:
        """Write the labels as a PNG with a palette, at the size of the image."""
        if self._last is not None:
            target = folder / "masks" / f"{stem}.png"
            write_labels(target, self._last.labels, self._last.classes)


class MapViewer(Viewer):
    """Finds numbers of pixels; the entries hold their range and mean, by channel.

    Args:
        predictor: gives the numbers.
    """

    file_name = "values.json"

    def __init__(self, predictor: RegressionPredictor):
        super().__init__()
        self.predictor = predictor
        self._last: DenseMap | None = None
        self.spans = predictor.manifest.spans
        self._source = "the training data"

    def look_ahead(self, images: Iterable[np.ndarray], frames: bool) -> None:
        """Choose the colours' span for all images, if the manifest holds none."""
        if not self.spans:
            found = (self.predictor.predict(image).values for image in images)
            channels = len(self.predictor.manifest.channels)
            self.spans = robust_spans(found, channels)
            self._source = "a look at some of the images"

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Find numbers; see `Viewer`."""
        answer = self.predictor.predict(image)
        self._last = answer
        found = answer.statistics()
        self.entries.append({"file_name": name, "image_id": image_id, "values": found})
        titles = self.predictor.manifest.channels.titles
        return draw_map(image, answer, self.spans or None, titles)

    def count(self) -> str:
        """From where to where the numbers of each channel go."""
        if not self.entries:
            return "nothing"
        parts, spans = [], []
        for index, name in enumerate(self.predictor.manifest.channels.names):
            found = [entry["values"][name] for entry in self.entries]
            low, high = min(f["min"] for f in found), max(f["max"] for f in found)
            parts.append(f"{name} from {as_text(low)} to {as_text(high)}")
            if self.spans:
                first, last = self.spans[index]
                spans.append(f"{as_text(first)} to {as_text(last)}")
        colors = f" (colours from {', '.join(spans)}, by {self._source})"
        return ", ".join(parts) + (colors if spans else "")

    def write_more(self, folder: Path, stem: str) -> None:
        """Write the numbers, `.npy`, at the size of the image."""
        if self._last is not None:
            target = folder / "values" / f"{stem}.npy"
            with writing(target) as partial:
                np.save(partial, self._last.values)


def check_finite(*values: np.ndarray) -> None:
    """Raise an InputError if a model has answered with NaN or infinity."""
    if not all(np.isfinite(each).all() for each in values):
        raise InputError(NOT_FINITE)
