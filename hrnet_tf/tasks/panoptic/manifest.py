"""The facts of a trained panoptic network."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hrnet_tf.tasks.base.manifest import Manifest, Quantisation
from hrnet_tf.tasks.dense.manifest import DenseOutput, Views
from hrnet_tf.tasks.panoptic.classes import PanopticClasses

# What a network answers, by the names of its outputs.
OUTPUTS = ("semantic", "center", "offset")


@dataclass(frozen=True)
class MapFacts:
    """One tensor of what a network answers."""

    dtype: str = "float32"
    quantisation: Quantisation | None = None


@dataclass(frozen=True)
class PanopticOutput(DenseOutput):
    """What it answers: logits of classes, a heatmap of centres, offsets in cells."""

    name: str = "maps"  # of all of them; each has a name of its own, see `OUTPUTS`
    semantic: MapFacts = field(default_factory=MapFacts)
    center: MapFacts = field(default_factory=MapFacts)
    offset: MapFacts = field(default_factory=MapFacts)


@dataclass(frozen=True)
class Grouping:
    """How pixels become segments.

    Attributes:
        threshold: centres are higher in the heatmap.
        window: pixels along a side of the square in which a centre is the highest; odd.
        most: centres that are taken, the highest.
        stuff_area: pixels that stuff of a class has at least in an image.

    Source: Cheng et al., https://arxiv.org/abs/1911.10194, section 3.2.
    """

    threshold: float = 0.1
    window: int = 7
    most: int = 200
    stuff_area: int = 2048


@dataclass(frozen=True)
class PanopticManifest(Manifest):
    """The facts of a trained panoptic network."""

    output: PanopticOutput
    classes: PanopticClasses
    views: Views = field(default_factory=Views)
    grouping: Grouping = field(default_factory=Grouping)
    task: Literal["panoptic"] = "panoptic"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.classes.names

    def with_flip(self, flip: bool) -> "PanopticManifest":
        """The same, averaged with the mirrored image or not."""
        return replace(self, views=replace(self.views, flip=flip))
