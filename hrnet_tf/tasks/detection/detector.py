"""The detector: a functional model from an image to boxes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.tasks.detection.heads import BOX_SIDE, MASK_SIDE, Heads
from hrnet_tf.tasks.detection.layers import (
    CropBoxes,
    FindObjects,
    FindProposals,
    MasksOfClasses,
    RefineBoxes,
    WholeImages,
)

LEVELS = tuple(f"P{level}" for level in range(2, 7))
CROPPED = 4  # levels that boxes are cut out of; the last one is for proposals alone


def detections(
    levels: Mapping[str, tf.Tensor],
    sizes: tf.Tensor,
    heads: Heads,
    crops: Callable[..., Any] = CropBoxes,
) -> dict[str, tf.Tensor]:
    """What is found on a pyramid; see `hrnet_tf.HRNetDetector`.

    Args:
        levels: symbolic, `{"P2": ..., "P6": ...}`.
        sizes: symbolic, `(batch, 2)`: height and width of what is image.
        heads: layers of the model that is built.
        crops: makes what cuts boxes out of levels, as `CropBoxes` does.
    """
    maps = [levels[name] for name in LEVELS]
    answers = [heads.proposals(level) for level in maps]
    found = FindProposals(name="proposals")(
        {
            "objectness": [objectness for objectness, _ in answers],
            "deltas": [deltas for _, deltas in answers],
            "sizes": sizes,
        }
    )
    boxes, logits, stages = found["boxes"], [], len(heads.boxes)
    for stage, head in enumerate(heads.boxes):
        cut = crops(BOX_SIDE, name=f"box_crops.{stage}")
        seen = cut({"levels": maps[:CROPPED], "boxes": boxes})
        these, deltas = head(seen)
        logits.append(these)
        if stage < stages - 1:
            boxes = RefineBoxes(stage, name=f"refined.{stage}")(
                {"boxes": boxes, "deltas": deltas, "sizes": sizes}
            )
    answer = FindObjects(stages, name="detections")(
        {
            "boxes": boxes,
            "counts": found["counts"],
            "logits": logits,
            "deltas": deltas,
            "sizes": sizes,
        }
    )
    if heads.masks:
        cut = crops(MASK_SIDE, name="mask_crops")
        seen = cut({"levels": maps[:CROPPED], "boxes": answer["boxes"]})
        answer["masks"] = MasksOfClasses(name="masks")(
            {
                "logits": [head(seen) for head in heads.masks],
                "labels": answer["labels"],
            }
        )
    return answer


@dataclass(frozen=True)
class Parts:
    """The parts of a detector; their layers are the detector's own.

    Attributes:
        pyramid: a functional model, images to `{"P2": ..., "P6": ...}`.
        heads: what stands on it.
    """

    pyramid: keras.Model
    heads: Heads

    @classmethod
    def of(cls, model: keras.Model) -> "Parts":
        """Those of a detector."""
        image = model.get_layer("image").output
        levels = {name: model.get_layer(name).output for name in LEVELS}
        return cls(keras.Model(image, levels, name="pyramid"), Heads.of(model))

    def features(self, image: tf.Tensor, training: bool) -> dict[str, Any]:
        """What proposals are made of: lists of `levels`, `objectness` and `deltas`."""
        levels = self.pyramid(image, training=training)
        levels = [levels[name] for name in LEVELS]
        objectness, deltas = zip(*map(self.heads.proposals, levels), strict=True)
        return {
            "levels": levels,
            "objectness": list(objectness),
            "deltas": list(deltas),
        }


@keras.saving.register_keras_serializable("hrnet_tf")
class Detector(keras.Model):
    """What `hrnet_tf.HRNetDetector` builds, which tells what it takes and gives.

    It is made of inputs and outputs, as any functional model is.
    """

    @property
    def parts(self) -> Parts:
        """Pyramid and heads; plain objects, which Keras does not save again."""
        if not hasattr(self, "_parts"):
            self._parts = Parts.of(self)
        return self._parts

    def folded(self, *settings: Any) -> Callable[[Any], dict[str, tf.Tensor]]:
        """What `hrnet_tf.networks.fold.fold` gives; it says what the settings are."""
        from hrnet_tf.tasks.detection.folding import fold_detector

        return fold_detector(self.parts, *settings)

    def __call__(self, inputs, *args, **kwargs):
        """Keras's, for images alone too."""
        return super().__call__(_whole(inputs), *args, **kwargs)


def _whole(inputs: Any) -> Any:
    """Inputs by name, where images are given alone."""
    if isinstance(inputs, Mapping):
        return inputs
    if isinstance(inputs, np.ndarray):  # Keras takes no mixture of these and tensors
        inputs = tf.constant(inputs)
    return {"image": inputs, "sizes": WholeImages()(inputs)}
