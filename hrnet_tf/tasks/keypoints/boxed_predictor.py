"""Images and boxes to points in each box: crop, network, decoding, and back again."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import tensorflow as tf

from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.problems import BrokenImages
from hrnet_tf.images.boxes import check_boxes, check_scores
from hrnet_tf.images.in_graph import CHUNK
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Network, Predictor

Found = TypeVar("Found")


def locator(
    network: Network, manifest: Any, turn_back: Callable[[tf.Tensor], tf.Tensor]
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """All that happens to crops in a graph: normalise, network, flip, decode.

    Args:
        network: normalised images to heatmaps.
        manifest: what the network takes and how its heatmaps are read.
        turn_back: heatmaps of mirrored crops to those of the crops.

    Returns:
        A function of RGB crops `(n, height, width, 3)`, 0..255, to cells `(n, k, 2)`
        and scores `(n, k)`.
    """

    def locate(crops: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = manifest.input.normalised(crops)
        if not manifest.decoding.flip:
            return manifest.codec.decode(network(images))
        both = network(tf.concat([images, tf.reverse(images, [2])], axis=0))
        straight, mirrored = tf.split(both, 2)
        return manifest.codec.decode((straight + turn_back(mirrored)) * 0.5)

    return locate


class BoxedPredictor(Predictor, Generic[Found]):
    """Finds points in boxes of images; tasks say how crops are cut and counted.

    Attributes:
        count: points in each box.
    """

    @property
    def count(self) -> int:
        """See the class."""
        raise NotImplementedError

    def named(
        self,
        points: np.ndarray,
        scores: np.ndarray,
        boxes: np.ndarray,
        box_scores: np.ndarray,
    ) -> Found:
        """What was found in an image, with the names of its points.

        Args:
            points: float32 `(n, count, 2)`, in its pixels.
            scores: float32 `(n, count)`.
            boxes: float32 `(n, 4)`.
            box_scores: float32 `(n,)`.
        """
        raise NotImplementedError

    def locate(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crops, uint8 `(n, height, width, 3)`, to cells `(n, k, 2)` and scores."""
        return self.answer(crops)

    def crops(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The crops that the network looks at, uint8 `(n, height, width, 3)`.

        Args:
            image: uint8 RGB.
            boxes: `(n, 4)`, at least one.
        """
        raise NotImplementedError

    def to_image(self, cells: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Heatmap cells `(n, k, 2)` to pixels of the image of the boxes."""
        raise NotImplementedError

    def predict_several(
        self,
        images: Sequence[ImageSource],
        boxes: Sequence[Any] | None = None,
        box_scores: Sequence[Any] | None = None,
    ) -> list[Found]:
        """Find the points in boxes of several images, all at once.

        Args:
            images: each as `predict` takes it, see `hrnet_tf.open_image`.
            boxes: of each image, `(n, 4)`, x, y, width, height in its pixels, or None:
                one that fills the image; None: of all of them None.
            box_scores: of each image, `(n,)`, or None: 1; None: of all of them None.

        Returns:
            Of each image what `predict` answers.

        Raises:
            InputError: if an image or its boxes have another shape or type, or a box is
                not finite, has no area, or lies outside its image or far beyond it.
        """
        nothing = [None] * len(images)
        every = nothing if boxes is None else boxes
        all_scores = nothing if box_scores is None else box_scores
        given, crops = [], []
        for image, own, sure in zip(images, every, all_scores, strict=True):
            opened = self.opened(image)
            height, width = opened.shape[:2]
            whole = [[0, 0, width, height]]
            own = check_boxes(whole if own is None else own, width, height)
            sure = check_scores(np.ones(len(own)) if sure is None else sure, len(own))
            given.append((own, sure))
            if len(own):
                crops.append(self.crops(opened, own))
        cells, scores = self._located(crops)
        ends = np.cumsum([len(own) for own, _ in given])[:-1]
        found = zip(given, np.split(cells, ends), np.split(scores, ends), strict=True)
        answers = []
        for (own, sure), cells, values in found:
            points = self.to_image(cells, own) if len(own) else cells
            arrays = (points, values, own, sure)
            answers.append(self.named(*(each.astype(np.float32) for each in arrays)))
        return answers

    def _located(self, crops: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Cells `(n, count, 2)` and scores `(n, count)` of the crops of all images."""
        if not crops:
            return np.zeros((0, self.count, 2)), np.zeros((0, self.count))
        every = np.concatenate(crops)
        starts = range(0, len(every), CHUNK)
        parts = [self.locate(every[start : start + CHUNK]) for start in starts]
        cells, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cells, scores

    def locate_batches(
        self,
        batches: Iterable[tuple[tf.Tensor, tf.Tensor]],
        steps: int,
        broken: BrokenImages,
        progress: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells and scores of all crops of a data set, and whether each is good.

        Args:
            batches: of crops, and whether each could be read.
            steps: how many batches there are.
            broken: explains what stops them.
            progress: whether to draw a bar.
        """
        bar = progress_bar(batches, total=steps, unit="batch", shown=progress)
        with broken.explained():
            parts = [(*self.locate(crops.numpy()), good.numpy()) for crops, good in bar]
        cells, scores, good = (
            np.concatenate(each) for each in zip(*parts, strict=True)
        )
        return cells, scores, good
