"""A detector and what looks at its boxes in one graph: from images to keypoints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.export.signatures import serving_function, signature_of
from hrnet_tf.images.boxes import shortened
from hrnet_tf.tasks import TASKS, parts_of, read_manifest
from hrnet_tf.tasks.base.behind_detector import LEAST_SCORE
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import Answers
from hrnet_tf.training.run import Run


@dataclass(frozen=True)
class Finder:
    """A detector that is exported together with what looks at its boxes.

    Attributes:
        model: the detector.
        manifest: its facts.
        name: of the class that is looked at, such as `person`.
        signature: what the signature of both is called, such as `people`.
        least_score: boxes with a lower score are not looked at.
    """

    model: keras.Model
    manifest: TaskManifest
    name: str
    signature: str
    least_score: float = LEAST_SCORE

    @classmethod
    def open(cls, folder: str | Path, manifest: TaskManifest) -> "Finder":
        """The detector of a run, for a model that looks at boxes.

        Args:
            folder: the detector's run.
            manifest: of the model that looks at its boxes.

        Raises:
            InputError: if there is no such run, it is of no detector or of one that
                does not find what the model looks at, the model takes no boxes, or the
                two turn images differently.
        """
        looks_at = TASKS[manifest.task].looks_at
        if looks_at is None:
            raise InputError(
                "A detector is for models that look at people or faces in boxes; this "
                f"one is of {manifest.task}, and takes none."
            )
        run = Run.open(folder)
        own = read_manifest(run.manifest)
        finds = hasattr(parts_of(own).predictor, "boxes_of")
        if not finds or signature_of(own) is None:
            raise InputError(
                f"{folder} is of {own.task}, which finds no boxes"
                f"{' inside a SavedModel' * finds}; give the run of a detector."
            )
        if looks_at.name not in own.class_names:
            raise InputError(
                f"{folder} must find the class {looks_at.name!r}, which this model "
                f"looks at; it finds {shortened(', '.join(own.class_names))}."
            )
        if own.input.orientation != manifest.input.orientation:
            raise InputError(
                f"{folder} takes image files {own.input.orientation}, the model that "
                f"looks at its boxes {manifest.input.orientation} (data.orientation of "
                "their trainings); they must agree."
            )
        return cls(run.model(), own, looks_at.name, looks_at.several)

    def serve(
        self, find: Network, network: Network, manifest: TaskManifest
    ) -> Callable[[tf.Tensor], Answers]:
        """The function of both networks.

        Args:
            find: the detector's network.
            network: what looks at boxes.
            manifest: its facts.

        Returns:
            A function of `image_bytes` (strings `(n,)`) to what the signature of the
            second network answers, and `boxes`, float32 `(n, most, 4)`: x, y, width,
            height in pixels, the best first, `box_scores`, float32 `(n, most)`, and
            `people`, int32 `(n,)`: how many of an image's rows are real. `most` is as
            many as there are in the image with the most; what is not real is zero. It
            fails with InvalidArgument beyond the limits of either.
        """
        detect = serving_function(find, self.manifest)
        look = serving_function(network, manifest)
        label = self.manifest.class_names.index(self.name)

        def serve(image_bytes: tf.Tensor) -> Answers:
            found = detect(image_bytes)
            boxes, scores = found["boxes"], found["scores"]
            wanted = (found["labels"] == label) & (scores >= self.least_score)
            wanted &= tf.reduce_all(boxes[..., 2:] > 0, axis=-1)
            people = tf.reduce_sum(tf.cast(wanted, tf.int32), axis=1)
            most = tf.reduce_max(tf.pad(people, [[0, 1]]))
            order = tf.argsort(tf.cast(~wanted, tf.int32), axis=1, stable=True)
            order = order[:, :most]
            boxes = tf.gather(boxes, order, batch_dims=1)
            scores = tf.gather(scores, order, batch_dims=1)
            real = tf.sequence_mask(people, most)
            return {
                **look(image_bytes, boxes, people),
                "boxes": tf.where(real[..., None], boxes, 0),
                "box_scores": tf.where(real, scores, 0),
                "people": people,
            }

        return serve
