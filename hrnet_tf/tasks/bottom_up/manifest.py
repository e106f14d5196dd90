"""The facts of a trained bottom-up pose model."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hrnet_tf.tasks.base.manifest import ImageInput, Manifest, Quantisation
from hrnet_tf.tasks.bottom_up.grouping import Grouping
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet

# What a network answers, by the names of its outputs.
OUTPUTS = ("quarter_heatmaps", "heatmaps", "tags")


@dataclass(frozen=True)
class SceneInput(ImageInput):
    """What a network takes: whole images of any size whose sides are multiples."""

    any_size: bool = True
    multiple: int = 32  # type: ignore[misc]  # pixels; other inputs do not write it


@dataclass(frozen=True)
class MapTensor:
    """One tensor of what a network answers."""

    stride: int  # pixels of the input per cell
    dtype: str = "float32"
    quantisation: Quantisation | None = None


@dataclass(frozen=True)
class MapsOutput:
    """What it answers: a heatmap a keypoint at two resolutions, and a tag."""

    name: str = "maps"  # of all of them; each has a name of its own, see `OUTPUTS`
    layout: str = "NHWC"
    dtype: str = "float32"
    stride: int = 2  # pixels of the input per cell; of the others twice as many
    quantisation: Quantisation | None = None  # each tensor has its own
    quarter_heatmaps: MapTensor = field(default_factory=lambda: MapTensor(4))
    heatmaps: MapTensor = field(default_factory=lambda: MapTensor(2))
    tags: MapTensor = field(default_factory=lambda: MapTensor(4))


@dataclass(frozen=True)
class Looks:
    """How an image is looked at; what is seen is averaged."""

    short_side: int = 512  # pixels, of the network's input at scale 1
    flip: bool = False  # mirrored too
    scales: tuple[float, ...] = (1.0,)  # enlarged and made smaller
    project: bool = True  # people are looked for at the input's size, not the maps'


@dataclass(frozen=True)
class BottomUpManifest(Manifest):
    """The facts of a trained bottom-up pose model."""

    input: SceneInput
    output: MapsOutput
    keypoints: KeypointSet
    looks: Looks = field(default_factory=Looks)
    grouping: Grouping = field(default_factory=Grouping)
    task: Literal["bottom_up"] = "bottom_up"
    versions: dict[str, str] = field(default_factory=dict)

    def with_flip(self, flip: bool) -> "BottomUpManifest":
        """The same, averaged with the mirrored image or not."""
        return replace(self, looks=replace(self.looks, flip=flip))
