"""A predictor that looks at boxes, behind a detector that finds them."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import shortened
from hrnet_tf.images.sources import ImageSource

# Boxes with a lower score are not looked at: a detector offers a hundred an image.
LEAST_SCORE = 0.3


@runtime_checkable
class BoxFinder(Protocol):
    """What finds objects in images: a detector of this package, or any other."""

    @property
    def class_names(self) -> Sequence[str]:
        """What it finds, such as `("person", "ball")`."""

    def boxes_of(self, image: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Find the objects of a class.

        Args:
            image: uint8 RGB, `(height, width, 3)`.
            name: of the class.

        Returns:
            Boxes `(n, 4)`, x, y, width, height in pixels of the image, and scores
            `(n,)`, 0 to 1.
        """


class BehindDetector:
    """Finds boxes in an image by a detector, then looks at each of them.

    Make one with `hrnet_tf.load(model, detector=...)`.

    Args:
        predictor: takes boxes: `predict(image, boxes, box_scores)`.
        detector: finds them.
        name: of the class that the predictor looks at, such as `"person"`.
        least_score: boxes with a lower score are not looked at.

    Attributes:
        manifest: the predictor's.

    Raises:
        InputError: if the detector is none, or does not know the class.

    Example:
        ```python
        predictor = hrnet_tf.load("runs/pose", detector="runs/detector")
        pose = predictor.predict("photo.jpg")  # everybody
        pose.boxes, pose.box_scores  # the detector's
        ```
    """

    def __init__(
        self,
        predictor: Any,
        detector: BoxFinder,
        name: str,
        least_score: float = LEAST_SCORE,
    ):
        if not isinstance(detector, BoxFinder):
            task = getattr(getattr(detector, "manifest", None), "task", None)
            found = f"a model of the task {task}" if task else type(detector).__name__
            raise InputError(
                f"A detector finds boxes of objects; this one is {found}, which does "
                "not."
            )
        if name not in detector.class_names:
            known = shortened(", ".join(detector.class_names))
            raise InputError(
                f"The detector must find the class {name!r}, which this model looks "
                f"at; it finds {known}."
            )
        self.predictor, self.detector = predictor, detector
        self.name, self.least_score = name, least_score

    @property
    def manifest(self) -> Any:
        """The facts of the predictor that looks at boxes."""
        return self.predictor.manifest

    def boxes_in(
        self, image: np.ndarray, least_score: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the detector finds.

        Args:
            image: uint8 RGB, `(height, width, 3)`.
            least_score: in place of the predictor's own.

        Returns:
            Boxes `(n, 4)`, x, y, width, height in pixels of the image, and scores
            `(n,)`.
        """
        least = self.least_score if least_score is None else least_score
        boxes, scores = self.detector.boxes_of(image, self.name)
        boxes, scores = np.asarray(boxes).reshape(-1, 4), np.asarray(scores)
        # A box at the border may have lost its area where it was cut.
        sure = (scores >= least) & (boxes[:, 2:] > 0).all(axis=1)
        return boxes[sure], scores[sure]

    def predict(
        self, image: ImageSource, boxes: Any = None, box_scores: Any = None
    ) -> Any:
        """What the predictor says of all that the detector finds in an image.

        Args:
            image: uint8 RGB, `(height, width, 3)`; or a path or an address, see
                `hrnet_tf.open_image`.
            boxes: where to look in place of the detector's boxes, as the predictor
                takes them.
            box_scores: `(n,)`, confidence in those boxes.

        Returns:
            What the predictor's `predict` gives; where nothing is found it is empty.
        """
        opened = self.predictor.opened(image)
        if boxes is None:
            boxes, box_scores = self.boxes_in(opened)
        return self.predictor.predict(opened, boxes, box_scores)

    def predict_several(
        self,
        images: Sequence[ImageSource],
        boxes: Sequence[Any] | None = None,
        box_scores: Sequence[Any] | None = None,
    ) -> list[Any]:
        """What the predictor says of several images, all at once.

        Args:
            images: each as `predict` takes it.
            boxes: of each image, None: the detector's; None: of all of them.
            box_scores: of each image.
        """
        opened = [self.predictor.opened(image) for image in images]
        nothing = [None] * len(opened)
        places = list(nothing if boxes is None else boxes)
        scores = list(nothing if box_scores is None else box_scores)
        for index, image in enumerate(opened):
            if places[index] is None:
                places[index], scores[index] = self.boxes_in(image)
        return self.predictor.predict_several(opened, places, scores)
