"""The facts of a trained model of facial landmarks."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hrnet_tf.images.preprocess import PADDING
from hrnet_tf.tasks.base.manifest import Manifest
from hrnet_tf.tasks.keypoints.heatmaps import Refinement
from hrnet_tf.tasks.keypoints.manifest import HeatmapOutput
from hrnet_tf.tasks.landmarks.codec import LandmarkCodec
from hrnet_tf.tasks.landmarks.geometry import FaceGeometry, Rule
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet


@dataclass(frozen=True)
class LandmarkDecoding:
    """How faces are cut out, and how heatmaps become landmarks."""

    refinement: Refinement = "quarter"
    sigma: float = 1.5  # of the Gaussians that were learnt, in cells
    padding: float = PADDING  # a crop is this much larger than the box
    rule: Rule = "official"
    stretched_twice: bool = True
    flip: bool = False  # average with the mirrored crop


@dataclass(frozen=True)
class LandmarkManifest(Manifest):
    """The facts of a trained model of facial landmarks."""

    output: HeatmapOutput
    landmarks: LandmarkSet
    decoding: LandmarkDecoding
    task: Literal["landmarks"] = "landmarks"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def codec(self) -> LandmarkCodec:
        """Between landmarks and heatmaps."""
        decoding = self.decoding
        whole = decoding.rule == "official"
        return LandmarkCodec(decoding.sigma, whole, decoding.refinement)

    @property
    def geometry(self) -> FaceGeometry:
        """Between images and heatmaps."""
        return FaceGeometry(self.input.height, self.output.stride, self.decoding.rule)

    def with_flip(self, flip: bool) -> "LandmarkManifest":
        """The same, averaged with the mirrored image or not."""
        return replace(self, decoding=replace(self.decoding, flip=flip))
