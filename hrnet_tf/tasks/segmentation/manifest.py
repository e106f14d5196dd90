"""The facts of a trained labelling network."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hrnet_tf.tasks.base.manifest import Manifest
from hrnet_tf.tasks.dense.manifest import DenseOutput, Views
from hrnet_tf.tasks.segmentation.classes import ClassSet


@dataclass(frozen=True)
class LogitMapOutput(DenseOutput):
    """What a labelling network answers: one number a class and cell, before softmax."""

    name: str = "logits"


@dataclass(frozen=True)
class SegmentationManifest(Manifest):
    """The facts of a trained labelling network."""

    output: LogitMapOutput
    classes: ClassSet
    views: Views = field(default_factory=Views)
    task: Literal["segmentation"] = "segmentation"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.classes.names

    def with_flip(self, flip: bool) -> "SegmentationManifest":
        """The same, averaged with the mirrored image or not."""
        return replace(self, views=replace(self.views, flip=flip))
