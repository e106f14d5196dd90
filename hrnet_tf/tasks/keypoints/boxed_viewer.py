"""Files to people or faces that are looked at in boxes."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import check_place
from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown
from hrnet_tf.tasks.keypoints.coco_doubts import box_doubts
from hrnet_tf.tasks.keypoints.coco_files import find_category, read_annotations
from hrnet_tf.tasks.keypoints.detections import Detections, check_detection
from hrnet_tf.tasks.keypoints.inputs import FrameInputs, ImageInputs
from hrnet_tf.tasks.keypoints.named_points import NamedPoints

logger = logging.getLogger(__name__)


class BoxedViewer(FindingViewer):
    """Looks at boxes of images; the entries are those of a COCO result file.

    Args:
        predictor: finds the keypoints; or a `BehindDetector` around it.
        points: the set that it finds.
        boxes: whom to look at, a file of COCO results; None: whom the predictor's
            detector finds, or without one somebody who fills the image.
        threshold: keypoints with a lower score are not drawn.
        annotations: a COCO file that says the images' ids and sizes, and the category;
            None: the category is 1, as in COCO.
        box_threshold: boxes with a lower score are left out.
        settings: a configuration's `evaluate`; None: the defaults.

    Raises:
        InputError: if a file cannot be read, or there are both it and a detector.
    """

    def __init__(
        self,
        predictor: Any,
        points: NamedPoints,
        boxes: str | Path | None = None,
        threshold: float = 0.2,
        *,
        annotations: str | Path | None = None,
        box_threshold: float = 0.0,
        settings: Any = None,
    ):
        super().__init__(predictor, settings=settings)
        self.threshold, self.box_threshold = threshold, box_threshold
        self.category = 1
        self._annotations = None
        if annotations is not None:
            self._annotations = read_annotations(str(annotations))
            self.category = find_category(self._annotations, points, str(annotations))
        self._detections = None
        if boxes is not None:
            if isinstance(predictor, BehindDetector):
                raise InputError(
                    f"Boxes are in {boxes} or found by a detector; leave one away."
                )
            self._detections = Detections(boxes, self.category, box_threshold)
        self._inputs: ImageInputs | FrameInputs | None = None
        self._frames = 0
        self._misplaced: list[str] = []
        self._placed: list[tuple[Any, dict[str, int]]] = []

    @property
    def detected(self) -> bool:
        """Whether the boxes are a detector's."""
        found = isinstance(self.predictor, BehindDetector)
        return found or self._detections is not None

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

    def boxes_of(
        self, name: str, image_id: int | str, image: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Boxes `(n, 4)` of an image and their scores; None: nothing tells of them.

        Args:
            name: of the image.
            image_id: of the image.
            image: uint8 RGB.
        """
        self._frames += 1
        if isinstance(self.predictor, BehindDetector):
            return self.predictor.boxes_in(image, self.box_threshold)
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

    def look_into_boxes(self, shown: Sequence[Shown]) -> list[Any]:
        """What the predictor says of the boxes of several images."""
        boxes = [self.boxes_of(each.name, each.image_id, each.image) for each in shown]
        return self.predictor.predict_several(
            [each.image for each in shown],
            [own for own, _ in boxes],
            [scores for _, scores in boxes],
        )

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
