"""Checkpoints of bottom-up pose networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.bottom_up.manifest import (
    BottomUpManifest,
    Looks,
    MapsOutput,
    SceneInput,
)
from hrnet_tf.tasks.bottom_up.network import RENAMED, HigherHRNet
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet


def _manifest(
    title: str,
    given: ImageInput,
    arguments: Mapping[str, Any],
    labels: str | None,
    path: Path,
) -> BottomUpManifest:
    if arguments.get("resolutions", 2) != 2:
        raise InputError(
            f"{path} has heatmaps of one resolution; only bottom-up networks with two, "
            "as HigherHRNet's are, can be exported: what groups people averages both."
        )
    keypoints = KeypointSet.read_for(labels or "coco", arguments["keypoints"], path)
    seen = SceneInput(given.height, given.width)
    looks = Looks(min(given.size))
    return BottomUpManifest(
        title, seen, MapsOutput(), keypoints, looks, versions=versions()
    )


NETWORK = NetworkKind(
    HigherHRNet,
    "bottom-up pose",
    (
        Head("final_layers.1.weight", "keypoints", 4, ("final_layers",)),
        # OpenMMLab's bottom-up HRNet has the tensors of a network for top-down pose
        # with twice the keypoints: heatmaps, then tags.
        Head(
            "final_layer.weight",
            "keypoints",
            4,
            ("final_layers",),
            each=2,
            arguments={"resolutions": 1},
            renamed=RENAMED,
            asked_for=True,
            likely=(14, 17),  # CrowdPose, COCO
        ),
    ),
    manifest=_manifest,
)
