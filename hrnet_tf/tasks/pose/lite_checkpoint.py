"""Checkpoints of Lite-HRNet."""

import re
from collections.abc import Mapping

import numpy as np

from hrnet_tf.checkpoints.names import LITE_BODY
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.lite import VARIANTS
from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind, Numbers
from hrnet_tf.tasks.keypoints.encodings import ENCODINGS
from hrnet_tf.tasks.pose.checkpoint import pose_manifest
from hrnet_tf.tasks.pose.network import LiteHRNet

# Module and block of a stage, and what a variant has that is not in this package.
PLACE = re.compile(r"^stage([012])\.(\d+)\.layers\.(\d+)\.")
NAIVE = re.compile(r"^stage0\.0\.layers\.0\.0\.branch2\.")


def _numbers(tensors: Mapping[str, np.ndarray], where: str) -> Numbers | None:
    if any(NAIVE.match(name) for name in tensors):
        raise InputError(
            f"{where} is a naive Lite-HRNet, of shuffle blocks; this package has "
            "Lite-HRNet-18 and 30, with conditional channel weighting."
        )
    if LITE_BODY not in tensors:
        return None
    places = [tuple(map(int, m.groups())) for m in map(PLACE.match, tensors) if m]
    modules = tuple(
        1 + max((module for s, module, _ in places if s == stage), default=-1)
        for stage in range(3)
    )
    blocks = 1 + max(block for *_, block in places)
    known = (width for width, spec in VARIANTS.items() if spec.modules == modules)
    return next(known, min(VARIANTS)), modules, blocks


NETWORK = NetworkKind(
    LiteHRNet,
    "pose",
    (Head("final_layer.weight", "keypoints", 4, ("final_layer",)),),
    manifest=pose_manifest,
    encodings=ENCODINGS,
    numbers=_numbers,
)
