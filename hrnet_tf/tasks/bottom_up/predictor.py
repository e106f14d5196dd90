"""Images to people: looks, network, merged maps, groups, back to image pixels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.images.preprocess import transform, warp
from hrnet_tf.images.sources import ImageSource
from hrnet_tf.tasks.base.predictor import Network, Predictor
from hrnet_tf.tasks.base.viewer import check_finite
from hrnet_tf.tasks.bottom_up.geometry import Look, look_at, look_into
from hrnet_tf.tasks.bottom_up.grouping import group
from hrnet_tf.tasks.bottom_up.manifest import OUTPUTS, BottomUpManifest
from hrnet_tf.tasks.bottom_up.maps import Seen, merge
from hrnet_tf.tasks.bottom_up.result import PeoplePose


def separated(answer: Mapping[str, tf.Tensor], keypoints: int) -> dict[str, tf.Tensor]:
    """What a network answers, each kind of map by its own name.

    Args:
        answer: of `HigherHRNet`, `{"heatmaps_and_tags": ..., "heatmaps": ...}`; or
            separated maps already.
        keypoints: how many there are.

    Returns:
        `quarter_heatmaps` and `tags`, `(n, h, w, keypoints)`, and `heatmaps`, `(n, 2 *
        h, 2 * w, keypoints)`.
    """
    if "heatmaps_and_tags" not in answer:
        return {name: answer[name] for name in OUTPUTS}
    both = answer["heatmaps_and_tags"]
    return {
        "quarter_heatmaps": both[..., :keypoints],
        "heatmaps": answer["heatmaps"],
        "tags": both[..., keypoints:],
    }


def people_maps(
    network: Network, manifest: BottomUpManifest
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """All that happens to images in a graph: normalise, mirror, network.

    Args:
        network: normalised images to what `separated` takes.
        manifest: what the network takes.

    Returns:
        A function of RGB images `(n, height, width, 3)`, 0..255, to maps by name. Where
        the manifest says so there are twice as many: those of the images, then those of
        the mirrored ones as the network sees them.
    """
    flip, count = manifest.looks.flip, len(manifest.keypoints)

    def look(images: tf.Tensor) -> dict[str, tf.Tensor]:
        x = manifest.input.normalised(images)
        if flip:
            x = tf.concat([x, tf.reverse(x, [2])], axis=0)
        return separated(network(x), count)

    return look


class BottomUpPredictor(Predictor):
    """Finds everyone in images, with their keypoints, without boxes.

    Make one with `hrnet_tf.load` or `BottomUpPredictor.from_model`.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/crowds")
        people = predictor.predict(image)  # uint8 RGB (height, width, 3)
        people.keypoints, people.person_scores
        ```
    """

    in_graph = staticmethod(people_maps)
    manifest: BottomUpManifest

    def predict(self, image: ImageSource) -> PeoplePose:
        """Find everyone in one image.

        Args:
            image: uint8 RGB, `(height, width, 3)`, of any size; or a path or an
                address, see `hrnet_tf.open_image`.

        Returns:
            The people in pixels of the image, in the order in which they were found.

        Raises:
            InputError: if the image has another shape or type, or the network answers
                with NaN or infinity.
        """
        return self.predict_several([image])[0]

    def predict_several(self, images: Sequence[ImageSource]) -> list[PeoplePose]:
        """Find everyone in each of several images; those of one size are seen together.

        Args and errors are those of `predict`.
        """
        opened = [self.opened(image) for image in images]
        together: dict[Any, list[int]] = {}
        for index, image in enumerate(opened):
            looks = self.looks(image.shape[:2])
            together.setdefault(tuple(look.size for look in looks), []).append(index)
        found: dict[int, PeoplePose] = {}
        for indices in together.values():
            rows = self._look([opened[index] for index in indices])
            for index, seen in zip(indices, rows, strict=True):
                found[index] = self.group(seen, opened[index].shape[:2])
        return [found[index] for index in range(len(opened))]

    def looks(self, size: Sequence[int]) -> list[Look]:
        """How an image of a height and width is looked at, the largest scale first."""
        given, looks = self.manifest.input, self.manifest.looks
        if not given.any_size:
            return [look_into(size, given.size)]
        least = min(looks.scales)
        scales = sorted(looks.scales, reverse=True)
        return [look_at(size, looks.short_side, scale, least) for scale in scales]

    def _look(self, images: Sequence[np.ndarray]) -> list[list[Seen]]:
        """What is seen of images of one size at each scale."""
        looks = [self.looks(image.shape[:2]) for image in images]
        found: list[list[Seen]] = [[] for _ in images]
        for scale in range(len(looks[0])):
            views = [
                warp(image, own[scale].matrix, own[scale].size)
                for image, own in zip(images, looks, strict=True)
            ]
            maps = self.answer(np.stack(views))
            for row, seen in enumerate(found):
                seen.append(_seen(maps, row, len(images), self.manifest.looks.flip))
        return found

    def group(self, seen: Sequence[Seen], size: Sequence[int]) -> PeoplePose:
        """What is seen of an image to its people.

        Args:
            seen: at each scale, the largest first.
            size: height and width of the image.
        """
        looks, settings = self.looks(size), self.manifest.looks
        scales = sorted(settings.scales, reverse=True)
        tagged = scales.index(1.0) if len(seen) > 1 else 0
        grid = looks[tagged].size if settings.project else None
        maps = merge(seen, self.manifest.keypoints.mirror, grid, tagged)
        check_finite(maps.heatmaps.sum(), maps.tags.sum())
        people, scores = group(maps, self.manifest.grouping)
        matrix = looks[-1].matrix_from(maps.size)
        places = transform(
            people[..., :2], np.broadcast_to(matrix, (len(people), 2, 3))
        )
        return PeoplePose.from_groups(
            places, people[..., 2], scores, self.manifest.keypoints
        )


def _seen(maps: Mapping[str, np.ndarray], row: int, count: int, flip: bool) -> Seen:
    """What is seen of one image of a batch."""
    own = {name: values[row] for name, values in maps.items()}
    if not flip:
        return Seen(own)
    return Seen(own, {name: values[count + row] for name, values in maps.items()})
