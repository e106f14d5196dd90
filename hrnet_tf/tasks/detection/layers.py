"""What detectors do between their heads, as layers of a functional model.

They have no weights, take float32 under any precision, and call the plain functions of
this folder, which training and exports call too.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from hrnet_tf.tasks.detection.boxes import STAGE_STDS, decode
from hrnet_tf.tasks.detection.padding import sizes_without_padding
from hrnet_tf.tasks.detection.proposals import Proposing, propose
from hrnet_tf.tasks.detection.roi_align import roi_align
from hrnet_tf.tasks.detection.suppression import Answers, Detecting, detect


class Between(layers.Layer):
    """A layer without weights whose numbers are float32."""

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.supports_jit = False  # how many boxes a level has is not known before


@keras.saving.register_keras_serializable("hrnet_tf")
class WholeImages(Between):
    """The sizes of images alone; see `sizes_without_padding`.

    Call arguments:
        inputs: normalised, `(batch, height, width, 3)`.

    Returns:
        int32 `(batch, 2)`: height and width.

    Example:
        ```python
        WholeImages()(tf.ones((1, 64, 96, 3)))  # [[64, 96]]
        ```
    """

    def call(self, inputs):
        """Look for padding; see the class."""
        return sizes_without_padding(inputs)


@keras.saving.register_keras_serializable("hrnet_tf")
class FindProposals(Between):
    """Where objects may be; see `propose`.

    Args:
        settings: those of `Proposing` that differ from its own.

    Call arguments:
        inputs: `objectness` and `deltas`, lists of what the head says of each level,
            and `sizes`, `(batch, 2)`.

    Returns:
        `boxes`, `(batch, most, 4)`, and `counts`, `(batch,)`.

    Example:
        ```python
        found = FindProposals()(
            {"objectness": objectness, "deltas": deltas, "sizes": sizes}
        )
        ```
    """

    def __init__(self, settings: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.settings = Proposing(**(settings or {}))

    def call(self, inputs):
        """Choose; see the class."""
        found = propose(
            inputs["objectness"], inputs["deltas"], inputs["sizes"], self.settings
        )
        return {"boxes": found.boxes, "counts": found.counts}

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "settings": asdict(self.settings)}


@keras.saving.register_keras_serializable("hrnet_tf")
class CropBoxes(Between):
    """What the pyramid has of boxes; see `roi_align`.

    Args:
        side: rows and columns of a crop.

    Call arguments:
        inputs: `levels`, four maps `(batch, h, w, channels)`, and `boxes`, `(batch, n,
            4)`.

    Returns:
        `(batch * n, side, side, channels)`.

    Example:
        ```python
        CropBoxes(7)({"levels": levels, "boxes": boxes}).shape  # (1000, 7, 7, 256)
        ```
    """

    def __init__(self, side: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.side = side

    def call(self, inputs):
        """Crop; see the class."""
        return crop(inputs["levels"], inputs["boxes"], self.side)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "side": self.side}


@keras.saving.register_keras_serializable("hrnet_tf")
class RefineBoxes(Between):
    """Boxes of a stage of a cascade to those of the next one.

    Args:
        stage: from 0.

    Call arguments:
        inputs: `boxes`, `(batch, n, 4)`, `deltas`, `(batch * n, 4)`, and `sizes`,
            `(batch, 2)`.

    Returns:
        `(batch, n, 4)`.

    Example:
        ```python
        RefineBoxes(0)({"boxes": boxes, "deltas": deltas, "sizes": sizes})
        ```
    """

    def __init__(self, stage: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.stage = stage

    def call(self, inputs):
        """Decode; see the class."""
        return refine(inputs["boxes"], inputs["deltas"], inputs["sizes"], self.stage)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "stage": self.stage}


@keras.saving.register_keras_serializable("hrnet_tf")
class FindObjects(Between):
    """What the box heads have found; see `detect`.

    Args:
        stages: how many there are; the first ones' logits count too.
        settings: those of `Detecting` that differ from its own.

    Call arguments:
        inputs: `boxes`, `(batch, n, 4)`, of which `counts`, `(batch,)`, are some;
            `logits`, a list with those of each stage, `(batch * n, classes + 1)`;
            `deltas` of the last one, and `sizes`, `(batch, 2)`.

    Returns:
        `boxes`, `scores`, `labels` and `counts`; see `hrnet_tf.HRNetDetector`.

    Example:
        ```python
        found = FindObjects(1)(
            {
                "boxes": boxes,
                "counts": counts,
                "logits": [logits],
                "deltas": deltas,
                "sizes": sizes,
            }
        )
        ```
    """

    def __init__(
        self, stages: int, settings: dict[str, Any] | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.stages = stages
        self.settings = Detecting(**(settings or {}))

    def call(self, inputs):
        """Detect; see the class."""
        boxes = inputs["boxes"]
        logits = tf.add_n(inputs["logits"]) / self.stages
        real = tf.sequence_mask(inputs["counts"], tf.shape(boxes)[1])
        answers = Answers(
            boxes, real, by_image(logits, boxes), by_image(inputs["deltas"], boxes)
        )
        stds = STAGE_STDS[self.stages - 1]
        found = detect(answers, stds, inputs["sizes"], settings=self.settings)
        return found._asdict()

    def get_config(self):
        """Arguments of the constructor."""
        more = {"stages": self.stages, "settings": asdict(self.settings)}
        return {**super().get_config(), **more}


@keras.saving.register_keras_serializable("hrnet_tf")
class MasksOfClasses(Between):
    """The maps of the classes that boxes were found to be of, as probabilities.

    Call arguments:
        inputs: `logits`, a list with those of each stage, `(batch * n, 28, 28,
            classes)`; and `labels`, `(batch, n)`, negative where there is no box.

    Returns:
        The stages' mean, `(batch, n, 28, 28)`, zero where there is no box.

    Example:
        ```python
        MasksOfClasses()({"logits": [logits], "labels": labels})
        ```
    """

    def call(self, inputs):
        """Choose; see the class."""
        labels, total = inputs["labels"], 0.0
        for logits in inputs["logits"]:
            chosen = of_class(by_image(logits, labels), labels)
            total += tf.sigmoid(chosen)
        real = tf.cast(labels >= 0, tf.float32)[..., None, None]
        return real * total / len(inputs["logits"])


def crop(
    levels: Sequence[tf.Tensor],
    boxes: tf.Tensor,
    side: int,
    pool: Callable[..., tf.Tensor] = roi_align,
) -> tf.Tensor:
    """What heads see of boxes, `(batch * n, side, side, channels)`; see `CropBoxes`."""
    crops = pool(levels, boxes, side)
    return tf.reshape(crops, (-1, side, side, levels[0].shape[-1]))


def by_image(answers: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """Answers `(batch * n, ...)` as `(batch, n, ...)`, for boxes `(batch, n, ...)`."""
    batch, count = boxes.shape[:2]
    known = [-1 if batch is None else batch, tf.shape(boxes)[1]]
    known[1] = known[1] if count is None else count
    return tf.reshape(answers, (*known, *answers.shape[1:]))


def refine(
    boxes: tf.Tensor, deltas: tf.Tensor, sizes: tf.Tensor, stage: int
) -> tf.Tensor:
    """Boxes for the next stage, without gradients; see `RefineBoxes`."""
    deltas = tf.stop_gradient(by_image(deltas, boxes))
    return decode(boxes, deltas, STAGE_STDS[stage], sizes)


def of_class(maps: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Of maps `(batch, n, h, w, classes)` those of labels `(batch, n)`; -1: any."""
    chosen = tf.transpose(maps, (0, 1, 4, 2, 3))
    return tf.gather(chosen, tf.maximum(labels, 0), axis=2, batch_dims=2)
