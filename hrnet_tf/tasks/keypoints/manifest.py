"""Parts of the manifests of tasks with keypoints."""

from dataclasses import dataclass

from hrnet_tf.images.preprocess import PADDING
from hrnet_tf.tasks.base.manifest import Quantisation
from hrnet_tf.tasks.keypoints.encodings import Encoding, Refinement


@dataclass(frozen=True)
class HeatmapOutput:
    """What it answers: one heatmap a keypoint, or three with offsets."""

    height: int
    width: int
    stride: int  # crop pixels per cell
    name: str = "heatmaps"
    layout: str = "NHWC"
    dtype: str = "float32"
    quantisation: Quantisation | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class Decoding:
    """How heatmaps become keypoints."""

    refinement: Refinement = "quarter"
    sigma: float = 2.0  # of the Gaussians that were learnt, in cells
    padding: float = PADDING  # a crop is this much larger than the box
    flip: bool = False  # average with the mirrored crop
    shift: bool = True  # ... whose heatmaps are moved by one cell
    encoding: Encoding = "plain"  # what was learnt, and how crops are cut for it
