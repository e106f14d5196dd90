"""Checkpoints of SimpleBaseline."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hrnet_tf.checkpoints.names import RESNET_BODY
from hrnet_tf.common.errors import InputError
from hrnet_tf.images.preprocess import ColorOrder
from hrnet_tf.networks.resnet import DEPTHS
from hrnet_tf.tasks.base.checkpoint import Given, Head, NetworkKind, Numbers
from hrnet_tf.tasks.keypoints.encodings import ENCODINGS
from hrnet_tf.tasks.pose.checkpoint import pose_manifest
from hrnet_tf.tasks.pose.network import SimpleBaseline

DECONVOLUTION = "deconv_layers.0.weight"
BLOCK = re.compile(r"^layer([1-4])\.(\d+)\.")

# What stands before the heads' names in files of the framework whose programs feed RGB.
# The official program's have nothing there: its configurations of ResNets say BGR.
RGB_HEADS = re.compile(r"(^|\.)(keypoint_head|head)\.(deconv_layers|final_layer)\.")


def _numbers(tensors: Mapping[str, np.ndarray], where: str) -> Numbers | None:
    if RESNET_BODY not in tensors or DECONVOLUTION not in tensors:
        return None
    if "layer1.0.conv3.weight" not in tensors:
        raise InputError(
            f"{where} is a SimpleBaseline of basic blocks, on ResNet-18 or 34; this "
            "package has it on ResNet-50, 101 and 152."
        )
    places = [tuple(map(int, m.groups())) for m in map(BLOCK.match, tensors) if m]
    modules = tuple(
        1 + max((block for number, block in places if number == layer), default=-1)
        for layer in range(1, 5)
    )
    known = (depth for depth, blocks in DEPTHS.items() if blocks == modules)
    return next(known, min(DEPTHS)), modules, None


def _more(given: Given) -> dict[str, Any]:
    """Channels of the body and of the deconvolutions."""
    kernel = given.tensors[DECONVOLUTION]
    if kernel.ndim != 4:
        raise InputError(
            f"{given.path} is no SimpleBaseline: {DECONVOLUTION} has the shape "
            f"{kernel.shape}, expected four axes."
        )
    return {
        "width": len(given.tensors["layer1.0.conv1.weight"]),
        "features": kernel.shape[1],
    }


def _color_order(stored: Sequence[str]) -> ColorOrder:
    return "RGB" if any(map(RGB_HEADS.search, stored)) else "BGR"


NETWORK = NetworkKind(
    SimpleBaseline,
    "pose",
    (Head("final_layer.weight", "keypoints", 4, ("final_layer",)),),
    _more,
    pose_manifest,
    encodings=ENCODINGS,
    numbers=_numbers,
    variant="depth",
    color_order=_color_order,
)
