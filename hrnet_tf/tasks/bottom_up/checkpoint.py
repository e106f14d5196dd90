"""Checkpoints of bottom-up pose networks."""

import logging
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

logger = logging.getLogger(__name__)

SIDE = 512  # pixels, the short side of most published networks' images


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
    height, width = given.size
    any_size = None in (arguments.get("input_shape") or (None, None))[:2]
    if any_size:  # the file does not tell
        height = width = SIDE
        logger.info(
            "%s: images are looked at with a short side of %d pixels, as the official "
            "networks for that size are; `looks.short_side` of the manifest says so.",
            *(path, SIDE),
        )
    seen = SceneInput(height, width, any_size=any_size)
    looks = Looks(min(height, width))
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
