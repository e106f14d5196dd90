"""The facts of a trained top-down pose model."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hrnet_tf.images.preprocess import crop_of_box
from hrnet_tf.tasks.base.manifest import Manifest
from hrnet_tf.tasks.keypoints.heatmaps import HeatmapCodec
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.manifest import Decoding, HeatmapOutput


@dataclass(frozen=True)
class PoseManifest(Manifest):
    """The facts of a trained top-down pose model."""

    output: HeatmapOutput
    keypoints: KeypointSet
    decoding: Decoding
    task: Literal["pose"] = "pose"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def codec(self) -> HeatmapCodec:
        """Between keypoints and heatmaps."""
        return HeatmapCodec(
            self.output.stride,
            self.decoding.sigma,
            self.decoding.refinement,
            self.decoding.encoding,
        )

    def crops_of(self, boxes: Any) -> tuple[Any, Any]:
        """What the network looks at for each box; see `crop_of_box`."""
        aspect = self.input.width / self.input.height
        return crop_of_box(boxes, aspect, self.decoding.padding)

    def with_flip(self, flip: bool) -> "PoseManifest":
        """The same, averaged with the mirrored image or not."""
        return replace(self, decoding=replace(self.decoding, flip=flip))
