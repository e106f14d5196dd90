"""Predictions of something for every pixel, judged image by image."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import write_rows
from hrnet_tf.data.choice import spread
from hrnet_tf.data.usable import refuse, unreadable
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.preprocess import resized
from hrnet_tf.tasks.dense.config import DenseEvaluate, DenseSection
from hrnet_tf.tasks.dense.manifest import DenseManifest, Views
from hrnet_tf.tasks.dense.pipeline import PairReader, Sample

SHOWN = 6  # images in a picture of some
WORST = 8  # images in the picture of the worst
CROPS = 2  # crops that exports are compared on


class Shown(NamedTuple):
    """A sample in a picture.

    Attributes:
        name: of the sample.
        image: uint8 RGB `(height, width, 3)`.
        target: of the same height and width.
    """

    name: str
    image: np.ndarray
    target: np.ndarray


class Judged(NamedTuple):
    """What came of looking at a whole data set.

    Attributes:
        total: what was counted, over all images.
        skipped: how many of them could not be read.
        worst: a picture of those with the lowest scores, uint8 RGB.
    """

    total: np.ndarray
    skipped: int
    worst: np.ndarray


@dataclass(frozen=True)
class DenseEvaluation:
    """How good answers for pixels are.

    Attributes:
        scores: all that was found out.
        images: how many were looked at.
        skipped: how many of them could not be read.
        worst: a picture of the images with the lowest scores, uint8 RGB.
    """

    scores: Any
    images: int
    skipped: int
    worst: np.ndarray

    @property
    def statistics(self) -> dict[str, float]:
        """What the scores come to; see their `statistics`."""
        return self.scores.statistics()

    def facts(self) -> dict[str, Any]:
        """What belongs into a JSON file."""
        return {
            "statistics": self.statistics,
            "images": self.images,
            "skipped": self.skipped,
        }

    def write_details(self, target: Path) -> None:
        """Write the worst images (JPEG)."""
        write_image(target.with_name(f"{target.stem}_worst.jpg"), self.worst)

    def write_rows(self, path: Path, columns: Sequence[str]) -> None:
        """Write the rows of the scores as CSV, below the names of their columns."""
        write_rows(path, [columns, *self.scores.rows()])


def judged_pixels(
    manifest: DenseManifest, data: DenseSection, settings: DenseEvaluate
) -> DenseManifest:
    """A model's facts with the views of an image that it is judged with."""
    views = Views(
        data.short_side,
        not data.keep_aspect,
        settings.flip,
        tuple(settings.scales),
        settings.window,
        settings.stride_share,
    )
    return replace(manifest, views=views)


class DenseEvaluator(ABC):
    """Judges networks on one part of a data set, as often as one likes.

    Args:
        data: the data set's section.
        settings: how images are looked at.
        manifest: what the network takes and what its answers mean.
        reader: reads what to judge on.

    Attributes:
        manifest: the given one, with the views that the settings make.
        name: tells evaluations of one run apart.
        where: names the data in errors.
    """

    def __init__(
        self,
        data: DenseSection,
        settings: DenseEvaluate,
        manifest: DenseManifest,
        reader: PairReader,
    ):
        self.manifest: Any = judged_pixels(manifest, data, settings)
        self.reader: Any = reader
        self.where = f"{data.root}, validation"
        scales = "_".join(f"{scale:g}" for scale in settings.scales)
        flip = "flip" if settings.flip else "straight"
        name = f"{Path(data.root).name}_scale_{scales}_{flip}"
        self.name = f"{name}_window" if settings.window else name

    def __len__(self) -> int:
        return len(self.reader.images)

    @abstractmethod
    def sheet(self, predictor: Any, samples: Sequence[Shown]) -> np.ndarray:
        """Images with their names, and what they show by target and by network."""

    def judge(
        self,
        predictor: Any,
        total: np.ndarray,
        count: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]],
        progress: bool,
    ) -> Judged:
        """Look at every image; one at a time is in memory.

        Args:
            predictor: draws the worst.
            total: nothing, of the shape of what is counted.
            count: of an image and its target, what adds to it, and a score.
            progress: whether to show a bar.

        Raises:
            InputError: if a sample is broken and `data.on_error` is `"stop"`, or all
                are.
        """
        scores = np.full(len(self), np.inf)  # broken images are not the worst
        skipped = 0
        steps = range(len(self))
        for index in progress_bar(steps, unit="image", shown=progress):
            sample = self.reader.read(index)
            if sample is None:
                skipped += 1
                continue
            added, scores[index] = count(*sample)
            total = total + added
        if skipped == len(self):
            refuse(self.where, unreadable(skipped, self.reader.broken))
        worst = np.argsort(scores)[: min(WORST, len(self) - skipped)]
        return Judged(total, skipped, self._compare(predictor, worst))

    def samples(self) -> dict[str, np.ndarray]:
        """Some crops, and an encoded image of odd size, to check exports on."""
        images = [self._sample(index)[0] for index in spread(len(self), CROPS)]
        crops = [resized(image, self.manifest.input.size) for image in images]
        odd = images[0][: images[0].shape[0] - 3, : images[0].shape[1] - 5]
        encoded = cv2.imencode(".png", np.ascontiguousarray(odd[..., ::-1]))[1]
        return {"crops": np.stack(crops), "image_bytes": encoded.ravel()}

    def draw(self, predictor: Any) -> np.ndarray:
        """Some images: as they are, as they should be, and as they are seen."""
        return self._compare(predictor, spread(len(self), SHOWN))

    def _compare(self, predictor: Any, chosen: np.ndarray) -> np.ndarray:
        samples = []
        for index in chosen:
            sample = self.reader.read(int(index))
            if sample is not None:  # a broken one is not shown
                samples.append(Shown(str(self.reader.images.names[index]), *sample))
        return self.sheet(predictor, samples)

    def _sample(self, index: int) -> Sample:
        sample = self.reader.read(index)
        if sample is not None:
            return sample
        size = self.manifest.input.size  # a broken one is shown in black
        return np.zeros((*size, 3), np.uint8), self.reader.blank(size)
