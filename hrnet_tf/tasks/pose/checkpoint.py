"""Checkpoints of top-down pose networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.keypoints.encodings import ENCODINGS, USUAL, Encoding
from hrnet_tf.tasks.keypoints.heatmaps import HeatmapCodec
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.manifest import Decoding, HeatmapOutput
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.tasks.pose.network import HRNetV1

STRIDE = 4  # crop pixels per heatmap cell, of every published network

# Networks for crops as high as this have learnt wider Gaussians.
LARGE, LARGE_SIGMA = 384, 3.0


def pose_manifest(
    title: str,
    given: ImageInput,
    arguments: Mapping[str, Any],
    labels: str | None,
    path: Path,
    encoding: Encoding,
) -> PoseManifest:
    """The facts of a converted network that answers with heatmaps of one person."""
    codec = HeatmapCodec(STRIDE, refinement=USUAL[encoding], encoding=encoding)
    found = arguments["keypoints"] / codec.maps_per_keypoint
    keypoints = KeypointSet.read_for(labels or "coco", found, path)
    height, width = (side // STRIDE for side in given.size)
    heatmaps = HeatmapOutput(height, width, STRIDE)
    decoding = Decoding(
        codec.refinement,
        LARGE_SIGMA if given.height >= LARGE else codec.sigma,
        shift=not codec.unbiased,
        encoding=encoding,
    )
    return PoseManifest(
        title, given, heatmaps, keypoints, decoding, versions=versions()
    )


NETWORK = NetworkKind(
    HRNetV1,
    "pose",
    (Head("final_layer.weight", "keypoints", 4, ("final_layer",)),),
    manifest=pose_manifest,
    encodings=ENCODINGS,
    for_bodies=True,
)
