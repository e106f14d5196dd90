"""The facts of a trained detector."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from hrnet_tf.tasks.base.manifest import ImageInput, Manifest, Output
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.config import LEAST_SIDE, MULTIPLE

LEAST = 0.05  # of scores, published


@dataclass(frozen=True)
class ObjectInput(ImageInput):
    """What a network takes: whole images of any size whose sides are multiples.

    They are padded with zeros at the right and below; `sizes`, int32 `(n, 2)`, says how
    high and wide they are.
    """

    any_size: bool = True
    multiple: int = MULTIPLE  # type: ignore[misc]  # pixels; others do not write it
    least: ClassVar[int] = LEAST_SIDE
    at_once: ClassVar[int | None] = 1  # boxes of each image are suppressed apart


@dataclass(frozen=True)
class ObjectOutput(Output):
    """What it answers: boxes, scores, labels and counts, and masks maybe."""

    name: str = "detections"  # of all of them; each has a name of its own


@dataclass(frozen=True)
class DetectionManifest(Manifest):
    """The facts of a trained detector."""

    input: ObjectInput
    output: ObjectOutput
    classes: ObjectClasses
    # Largest longer and shorter side that images are brought to, in pixels.
    scale: tuple[int, int] = (1333, 800)
    masks: bool = False  # whether the pixels of each object are found too
    least: float = LEAST  # scores are higher
    task: Literal["detection"] = "detection"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.classes.names
