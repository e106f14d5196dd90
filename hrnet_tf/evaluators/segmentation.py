"""Predictions for a whole data set of images and masks, judged by the mean IoU."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hrnet_tf.config.segmentation import MaskSection, SegmentationEvaluate
from hrnet_tf.data.mask_pipeline import MaskReader
from hrnet_tf.data.masks import MaskedImages
from hrnet_tf.data.survey import Survey, survey_masks
from hrnet_tf.errors import InputError
from hrnet_tf.manifest import SegmentationManifest, Views
from hrnet_tf.metrics.segmentation import Scores, confusion_matrix
from hrnet_tf.opencv import cv2
from hrnet_tf.plots import draw_confusion_matrix
from hrnet_tf.predictors.segmentation import SegmentationPredictor
from hrnet_tf.results import LabelMap
from hrnet_tf.visualize import contact_sheet, draw_label, draw_labels, write_image

SHOWN = 6  # images in a picture of some
WORST = 8  # images in the picture of the worst
CROPS = 2  # crops that exports are compared on


@dataclass(frozen=True)
class SegmentationEvaluation:
    """How good labels of pixels are.

    Attributes:
        scores: IoU and accuracy, by class and in the mean.
        images: how many were looked at.
        skipped: how many of them could not be read.
        worst: a picture of the images with the lowest pixel accuracy, uint8 RGB.
    """

    scores: Scores
    images: int
    skipped: int
    worst: np.ndarray

    @property
    def statistics(self) -> dict[str, float]:
        """`mean_iou`, `pixel_accuracy` and `mean_accuracy`, in [0, 1]."""
        return self.scores.statistics()

    def table(self) -> str:
        """The statistics as text, and a line for each class."""
        lines = [f"{name:<16}{value:.4f}" for name, value in self.statistics.items()]
        lines += [f"{self.images} images, {self.skipped} skipped", ""]
        return "\n".join([*lines, self.scores.table()])

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "iou": dict(zip(self.scores.names, self.scores.iou.tolist(), strict=True)),
            "images": self.images,
            "skipped": self.skipped,
        }

    def write_details(self, target: Path) -> None:
        """Write confusion matrix (PNG), classes (CSV) and the worst images (JPEG)."""
        stem = target.stem
        draw_confusion_matrix(
            self.scores.confusion_matrix,
            self.scores.names,
            target.with_name(f"{stem}_confusion_matrix.png"),
        )
        classes = target.with_name(f"{stem}_classes.csv")
        with open(classes, "w", newline="") as file:
            header = ("class", "share", "iou", "accuracy")
            csv.writer(file).writerows([header, *self.scores.rows()])
        write_image(target.with_name(f"{stem}_worst.jpg"), self.worst)


class SegmentationEvaluator:
    """Judges labelling networks on one part of a data set, as often as one likes.

    Args:
        data: the data set's section.
        settings: how images are looked at.
        manifest: what the network takes, and its classes.
        images: what to judge on.

    Raises:
        InputError: if the images have other classes than the manifest.
    """

    monitor = "mean_iou"

    def __init__(
        self,
        data: MaskSection,
        settings: SegmentationEvaluate,
        manifest: SegmentationManifest,
        images: MaskedImages,
    ):
        if images.class_set.names != manifest.classes.names:
            raise InputError(
                f"The masks in {data.root} have the classes of "
                f"{images.class_set.name} ({len(images.class_set)}), the model has "
                f"those of {manifest.classes.name} ({len(manifest.classes)})."
            )
        views = Views(
            data.short_side,
            not data.keep_aspect,
            settings.flip,
            tuple(settings.scales),
            settings.window,
            settings.stride_share,
        )
        self.manifest = replace(manifest, views=views)
        self.images = images
        self.reader = MaskReader(images, data)
        scales = "_".join(f"{scale:g}" for scale in settings.scales)
        flip = "flip" if settings.flip else "straight"
        # Tells evaluations of one run apart.
        name = f"{Path(data.root).name}_scale_{scales}_{flip}"
        self.name = f"{name}_window" if settings.window else name

    def __len__(self) -> int:
        return len(self.images)

    def evaluate(
        self, predictor: SegmentationPredictor, progress: bool = False
    ) -> SegmentationEvaluation:
        """Label every image and compare; one image at a time is in memory.

        Raises:
            InputError: if a sample is broken and `data.on_error` is `"stop"`.
        """
        count = len(self.manifest.classes)
        total = np.zeros((count, count), np.int64)
        accuracies = np.full(len(self), np.inf)  # broken images are not the worst
        steps = range(len(self))
        for index in tqdm(steps, unit="image", disable=not progress):
            sample = self.reader.read(index)
            if sample is None:
                continue
            image, labels = sample
            matrix = confusion_matrix(labels, predictor.predict(image).labels, count)
            total += matrix
            accuracies[index] = np.trace(matrix) / max(1, matrix.sum())
        skipped = int(np.isinf(accuracies).sum())
        scores = Scores.from_matrix(total, self.manifest.classes.names)
        worst = np.argsort(accuracies)[: min(WORST, len(self) - skipped)]
        picture = self._compare(predictor, worst)
        return SegmentationEvaluation(scores, len(self), skipped, picture)

    def survey(self) -> Survey:
        """Pixels by class."""
        return survey_masks(self.reader)

    def samples(self) -> dict[str, np.ndarray]:
        """Some crops, and an encoded image of odd size, to check exports on."""
        height, width = self.manifest.input.size
        images = [self._sample(index)[0] for index in self._spread(CROPS)]
        crops = [cv2.resize(image, (width, height)) for image in images]
        odd = images[0][: images[0].shape[0] - 3, : images[0].shape[1] - 5]
        encoded = cv2.imencode(".png", np.ascontiguousarray(odd[..., ::-1]))[1]
        return {"crops": np.stack(crops), "image_bytes": encoded.ravel()}

    def draw(self, predictor: SegmentationPredictor) -> np.ndarray:
        """Some images: as they are, labelled by hand and by the network, uint8 RGB."""
        return self._compare(predictor, self._spread(SHOWN))

    def _compare(
        self, predictor: SegmentationPredictor, chosen: np.ndarray
    ) -> np.ndarray:
        pictures = []
        for index in chosen:
            image, labels = self._sample(int(index))
            known = labels < len(self.manifest.classes)
            answer = predictor.predict(image)
            truth = replace(answer, labels=np.where(known, labels, 0).astype(np.uint8))
            right = (answer.labels == labels)[known].mean() if known.any() else 0.0
            named = draw_label(image, str(self.images.names[index]))
            marked = draw_label(_plain(answer, image), f"{right:.3f} right")
            pictures += [named, _plain(truth, image) * known[..., None], marked]
        return contact_sheet(pictures, columns=6)

    def _sample(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        sample = self.reader.read(index)
        if sample is not None:
            return sample
        size = self.manifest.input.size  # a broken one is shown in black
        return np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)

    def _spread(self, count: int) -> np.ndarray:
        return np.unique(np.linspace(0, len(self) - 1, count).astype(int))


def _plain(answer: LabelMap, image: np.ndarray) -> np.ndarray:
    return draw_labels(image, answer, legend=False)
