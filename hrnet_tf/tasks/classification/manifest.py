"""The facts of a trained image classifier."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hrnet_tf.tasks.base.manifest import Manifest, Output


@dataclass(frozen=True)
class LogitsOutput(Output):
    """What a classifier answers: one number a class, before softmax."""

    name: str = "logits"


@dataclass(frozen=True)
class ClassificationManifest(Manifest):
    """The facts of a trained image classifier."""

    classes: tuple[str, ...]
    output: LogitsOutput = LogitsOutput()
    crop_share: float = 0.875  # of an image's shorter side that is looked at
    flip: bool = False  # average with the mirrored image
    task: Literal["classification"] = "classification"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.classes

    def with_flip(self, flip: bool) -> "ClassificationManifest":
        """The same, averaged with the mirrored image or not."""
        return replace(self, flip=flip)
