"""Checkpoints of networks of facial landmarks."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.keypoints.manifest import HeatmapOutput
from hrnet_tf.tasks.landmarks.geometry import Rule
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.manifest import LandmarkDecoding, LandmarkManifest
from hrnet_tf.tasks.landmarks.network import HRNetLandmarks

STRIDE = 4  # crop pixels per heatmap cell, of every published network

# The published sets by their number of landmarks, and how their networks were trained.
SETS = {98: "wflw", 68: "300w", 29: "cofw", 19: "aflw"}
DECODING = {
    "300w": LandmarkDecoding(sigma=1.0),
    "cofw": LandmarkDecoding(stretched_twice=False),
}


def _manifest(
    title: str,
    given: ImageInput,
    arguments: Mapping[str, Any],
    labels: str | None,
    path: Path,
    encoding: Rule,
) -> LandmarkManifest:
    count = arguments["landmarks"]
    if labels is None and count not in SETS:
        raise InputError(
            f"{path} finds {count} landmarks, as no published set has; name a landmark "
            "set's YAML file with --labels."
        )
    landmarks = LandmarkSet.read_for(labels or SETS[count], count, path)
    height, width = (side // STRIDE for side in given.size)
    decoding = DECODING.get(landmarks.name, LandmarkDecoding())
    decoding = replace(decoding, rule=encoding)
    heatmaps = HeatmapOutput(height, width, STRIDE)
    return LandmarkManifest(
        title, given, heatmaps, landmarks, decoding, versions=versions()
    )


NETWORK = NetworkKind(
    HRNetLandmarks,
    "landmarks",
    (Head("head.3.weight", "landmarks", 4, ("head.3",)),),
    manifest=_manifest,
    encodings=get_args(Rule),
)
