"""The detector: a functional model from an image to boxes, that learns from boxes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.networks.recomputation import recompute
from hrnet_tf.tasks.detection.geometry import normalised
from hrnet_tf.tasks.detection.heads import BOX_SIDE, MASK_SIDE, Heads
from hrnet_tf.tasks.detection.layers import (
    Between,
    CropBoxes,
    FindObjects,
    FindProposals,
    MasksOfClasses,
    RefineBoxes,
    WholeImages,
)
from hrnet_tf.tasks.detection.learner import Learner
from hrnet_tf.tasks.detection.learning import Learning
from hrnet_tf.tasks.detection.proposals import Proposing
from hrnet_tf.tasks.detection.roi_align import STRIDES
from hrnet_tf.tasks.detection.suppression import Detecting

LEVELS = tuple(f"P{level}" for level in range(2, 7))
CROPPED = len(STRIDES)  # boxes are cut out of these; the last level is for proposals
PROPOSALS, DETECTIONS = "proposals", "detections"  # names of the layers that choose


@dataclass(frozen=True)
class Choosing:
    """How a detector chooses among what its heads say.

    Attributes:
        proposals: boxes that heads look at.
        detections: objects.
    """

    proposals: Proposing
    detections: Detecting

    @classmethod
    def of(cls, model: keras.Model) -> "Choosing":
        """That of a detector."""
        layers = map(model.get_layer, (PROPOSALS, DETECTIONS))
        return cls(*(layer.settings for layer in layers))


def answer(
    levels: Mapping[str, tf.Tensor],
    sizes: tf.Tensor,
    heads: Heads,
    choosing: Choosing,
    crops: Callable[..., Any] = CropBoxes,
) -> dict[str, tf.Tensor]:
    """What is found on a pyramid; see `hrnet_tf.HRNetDetector`.

    Args:
        levels: symbolic, `{"P2": ..., "P6": ...}`.
        sizes: symbolic, `(batch, 2)`: height and width of what is image.
        heads: layers of the model that is built.
        choosing: among what they say.
        crops: makes what cuts boxes out of levels, as `CropBoxes` does.
    """
    maps = [levels[name] for name in LEVELS]
    answers = [heads.proposals(level) for level in maps]
    found = FindProposals(asdict(choosing.proposals), name=PROPOSALS)(
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
    objects = FindObjects(stages, asdict(choosing.detections), name=DETECTIONS)(
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
        seen = cut({"levels": maps[:CROPPED], "boxes": objects["boxes"]})
        objects["masks"] = MasksOfClasses(name="masks")(
            {
                "logits": [head(seen) for head in heads.masks],
                "labels": objects["labels"],
            }
        )
    return objects


@dataclass(frozen=True)
class Parts:
    """The parts of a detector; their layers are the detector's own.

    Attributes:
        pyramid: a functional model, images to `{"P2": ..., "P6": ...}`.
        heads: what stands on it.
        choosing: among what they say.
    """

    pyramid: keras.Model
    heads: Heads
    choosing: Choosing

    @classmethod
    def of(cls, model: keras.Model) -> "Parts":
        """Those of a detector."""
        image = model.get_layer("image").output
        levels = {name: model.get_layer(name).output for name in LEVELS}
        pyramid = keras.Model(image, levels, name="pyramid")
        return cls(pyramid, Heads.of(model), Choosing.of(model))

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
class Detector(Learner):
    """What `hrnet_tf.HRNetDetector` builds, which tells what it takes and gives.

    It is made of inputs and outputs, as any functional model is.

    Attributes:
        batch_statistics: whether batch norm learns from its batches' statistics.
    """

    batch_statistics = False

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

    def recompute(self) -> None:
        """What `hrnet_tf.networks.recomputation.recompute` does; heads are left out."""
        # Batch norm may keep its statistics while the detector learns.
        recompute(self.parts.pyramid, in_inference=True)

    @property
    def heads(self) -> Heads:
        """What stands on the pyramid."""
        return self.parts.heads

    @property
    def learning(self) -> Learning:
        """Numbers of the training, which can be set; by default the published ones."""
        if not hasattr(self, "_learning"):
            heads = self.heads
            self._learning = Learning.published(heads.cascade, bool(heads.masks))
        return self._learning

    @learning.setter
    def learning(self, numbers: Learning) -> None:
        self._learning = numbers

    def __call__(self, inputs, *args, **kwargs):
        """Keras's, for images alone too."""
        return super().__call__(_whole(inputs), *args, **kwargs)

    def features(self, inputs: Any, training: bool) -> dict[str, Any]:
        """What `compute_loss` goes on with; see `Learner`."""
        given = _whole(inputs)
        training = training and self.batch_statistics
        found = self.parts.features(given["image"], training)
        return {**found, "sizes": given["sizes"]}

    def get_config(self):
        """Keras's, with what training needs to know."""
        return {
            **super().get_config(),
            "batch_statistics": self.batch_statistics,
            "learning": asdict(self.learning),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The detector of a configuration."""
        config = dict(config)
        batch_statistics = config.pop("batch_statistics")
        learning = Learning(**config.pop("learning"))
        model = super().from_config(config, custom_objects)
        model.batch_statistics, model.learning = batch_statistics, learning
        return model


@keras.saving.register_keras_serializable("hrnet_tf")
class PaddedImages(Between):
    """Normalise images that are padded; the padding becomes zero.

    Call arguments:
        inputs: `image`, uint8 RGB `(batch, height, width, 3)`, and `sizes`, `(batch,
            2)`: height and width of what is image.

    Returns:
        float32, like the images; see `hrnet_tf.preprocess_input`.

    Example:
        ```python
        PaddedImages()({"image": images, "sizes": sizes})
        ```
    """

    def call(self, inputs):
        """Normalise; see the class."""
        return normalised(inputs["image"], tf.cast(inputs["sizes"], tf.int32))


@keras.saving.register_keras_serializable("hrnet_tf")
class RawDetector(Learner):
    """A detector behind what raw images need; see `behind_normalisation`."""

    @property
    def detector(self) -> Detector:
        """The detector, which is the last layer."""
        return self.layers[-1]

    @property
    def heads(self) -> Heads:
        """Those of the detector."""
        return self.detector.heads

    @property
    def learning(self) -> Learning:
        """That of the detector."""
        return self.detector.learning

    def features(self, inputs: Any, training: bool) -> dict[str, Any]:
        """Those of the detector; see `Learner`."""
        image = self.get_layer("normalise")(inputs)
        return self.detector.features({**inputs, "image": image}, training)


def behind_normalisation(detector: Detector) -> RawDetector:
    """Put in front of a detector what raw images need; it learns from these.

    Args:
        detector: takes normalised images.

    Returns:
        A model from `{"image": ..., "sizes": ...}`, of which images are uint8 RGB,
        padded at the right and the bottom; the detector is its last layer.
    """
    shape = tuple(detector.input["image"].shape[1:])
    given = {
        "image": keras.Input(shape, name="image", dtype="uint8"),
        "sizes": keras.Input((2,), name="sizes", dtype="int32"),
    }
    # A model inside another must not be compiled: its optimizer would be saved, unused.
    bare = Detector(detector.input, detector.output, name=detector.name)
    bare.batch_statistics = detector.batch_statistics
    bare.learning = detector.learning
    image = PaddedImages(name="normalise")(given)
    return RawDetector(given, bare({**given, "image": image}), name="training")


def _whole(inputs: Any) -> Any:
    """Inputs by name, where images are given alone."""
    if isinstance(inputs, Mapping):
        return inputs
    if isinstance(inputs, np.ndarray):  # Keras takes no mixture of these and tensors
        inputs = tf.constant(inputs)
    return {"image": inputs, "sizes": WholeImages()(inputs)}
