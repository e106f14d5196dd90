"""Whole images to segments: views, network, grouping."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.viewer import check_finite
from hrnet_tf.tasks.dense.predictor import DensePredictor, answers_at_pixels
from hrnet_tf.tasks.panoptic.grouping import group
from hrnet_tf.tasks.panoptic.manifest import OUTPUTS, PanopticManifest
from hrnet_tf.tasks.panoptic.result import PanopticMap

INSTANCES = 3  # numbers of a pixel behind those of its classes: centre, down, right


@dataclass(frozen=True)
class PixelAnswers:
    """What is known of pixels, taken apart.

    Attributes:
        scores: of classes, `(..., classes)`.
        centers: `(...)`.
        offsets: `(..., 2)`, down and right in pixels.
    """

    scores: Any
    centers: Any
    offsets: Any

    @classmethod
    def of(cls, maps: Any) -> "PixelAnswers":
        """Of maps `(..., classes + 3)`."""
        return cls(maps[..., :-INSTANCES], maps[..., -INSTANCES], maps[..., -2:])


def in_one(answer: Mapping[str, tf.Tensor], stride: int) -> tf.Tensor:
    """A network's answers as one map: logits, centre, offsets in pixels."""
    semantic, center, offset = (answer[name] for name in OUTPUTS)
    return tf.concat([semantic, center, offset * stride], axis=-1)


def pixel_answers(
    network: Network, manifest: PanopticManifest
) -> Callable[[tf.Tensor], tf.Tensor]:
    """All that happens to images in a graph but for the grouping.

    Args:
        network: normalised images to what `HRNetPanoptic` answers.
        manifest: what the network takes and how its answers are read.

    Returns:
        A function of RGB images `(n, height, width, 3)`, 0..255, to float32 `(n,
        height, width, classes + 3)`: probabilities of classes, the heatmap of centres,
        and the way to the centre down and right in pixels.
    """

    def one(images: tf.Tensor) -> tf.Tensor:
        return in_one(network(images), manifest.output.stride)  # type: ignore[arg-type]

    signs = tf.constant([1.0] * (len(manifest.classes) + 2) + [-1.0])
    answers = answers_at_pixels(one, manifest, lambda maps: maps * signs)
    return lambda images: with_probabilities(answers(images))


def with_probabilities(maps: tf.Tensor) -> tf.Tensor:
    """The same with probabilities in place of logits."""
    shares = tf.nn.softmax(maps[..., :-INSTANCES])
    return tf.concat([shares, maps[..., -INSTANCES:]], axis=-1)


def segments_of(
    maps: tf.Tensor, manifest: PanopticManifest
) -> tuple[tf.Tensor, tf.Tensor]:
    """Segments, int32 `(height, width)`, and confidence, of one image's answers."""
    found = PixelAnswers.of(maps)
    segments = group(
        *(found.scores, found.centers, found.offsets),
        manifest.classes.are_things.tolist(),
        manifest.grouping,
    )
    return segments, tf.reduce_max(found.scores, axis=-1)


class PanopticPredictor(DensePredictor):
    """Finds the segments of an image: its things, and its stuff.

    Make one with `hrnet_tf.load` or `PanopticPredictor.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/scenes")
        answer = predictor.predict(image)  # uint8 RGB (height, width, 3)
        answer.segments, answer.counts()
        ```
    """

    in_graph = staticmethod(pixel_answers)
    manifest: PanopticManifest

    @property
    def channels(self) -> int:
        """A probability a class, centre and offset."""
        return len(self.manifest.classes) + INSTANCES

    def in_original(self, seen: np.ndarray, factor: float) -> np.ndarray:
        """Offsets in pixels of the image itself."""
        enlarged = np.ones(self.channels, np.float32)
        enlarged[-2:] = factor
        return seen / enlarged

    @cached_property
    def _group(self) -> Callable:
        spec = tf.TensorSpec((None, None, self.channels), tf.float32)
        return tf.function(
            lambda maps: segments_of(maps, self.manifest),
            input_signature=[spec],
            autograph=False,
        )

    def predict(self, image: ImageSource) -> PanopticMap:
        """Find the segments of one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size; or a path or an
                address, see `hrnet_tf.open_image`.

        Raises:
            InputError: if the image has another shape or type, or the network answers
                with NaN or infinity.
        """
        return self.predict_several([image])[0]

    def predict_several(self, images: Sequence[ImageSource]) -> list[PanopticMap]:
        """Find the segments of several images; those of one size are seen together.

        Args and errors are those of `predict`.
        """
        scales = np.float32(len(self.manifest.views.scales))
        found = []
        for total in self.sums_of_views([self.opened(image) for image in images]):
            check_finite(total.sum())
            segments, confidence = self._group(tf.constant(total / scales))
            answer = PanopticMap(
                segments.numpy(), confidence.numpy(), self.manifest.classes
            )
            found.append(answer)
        return found
