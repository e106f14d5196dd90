"""Detectors of the first program, and those that this package has not."""

import logging
import re
from collections.abc import Mapping

import numpy as np

from hrnet_tf.common.errors import InputError

logger = logging.getLogger(__name__)

# Heads under the names of the first program, the fork that the detectors' paper is of.
FIRST = re.compile(r"^(?:bbox|mask)_head\.(?:\d\.)?(?:shared_fcs|fc_|conv|upsample)")

# What only detectors have that this package has not, and what they are called.
OTHERS = {
    re.compile(r"^bbox_head\.(?:fcos_|conv_centerness)"): "an FCOS detector",
    re.compile(r"(?:^|\.)semantic_head\.|mask_head\.\d\.conv_res\."): "an HTC detector",
}


def translate(tensors: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Tensors of a detector of either program, as this package has them.

    The first program's background is the first class, with deltas and a mask of its
    own. That its boxes are a pixel larger cannot be translated.

    Args:
        tensors: of any network, under their official names.
        where: names the checkpoint in errors.

    Raises:
        InputError: if they are of a detector of another kind.
    """
    for name in tensors:
        for pattern, kind in OTHERS.items():
            if pattern.search(name):
                raise InputError(
                    f"{where} holds {kind} (it has {name}), which this package has "
                    "not; it has Faster, Mask, Cascade and Cascade Mask R-CNN. The "
                    "pyramid alone can be loaded: leave_out=["
                    f"{', '.join(map(repr, _heads_among(tensors)))}]."
                )
    if not any(map(FIRST.match, tensors)):
        return dict(tensors)
    logger.warning(
        "%s is of the program whose boxes are a pixel wider than their sides' "
        "difference; its detections are a little off: expect a small change of AP",
        where,
    )
    return dict(_second(name, tensor) for name, tensor in tensors.items())


def _second(name: str, tensor: np.ndarray) -> tuple[str, np.ndarray]:
    """A tensor of the first program under its name in the second one."""
    if not FIRST.match(name):
        return name, tensor
    layer = name.split(".")[-2]
    if layer == "fc_cls":
        tensor = np.roll(tensor, -1, axis=0)
    elif layer == "fc_reg" and len(tensor) != 4:  # of each class
        tensor = tensor[4:]
    elif layer == "conv_logits":
        tensor = tensor[1:]
    return f"roi_head.{name}", tensor


def _heads_among(tensors: Mapping[str, np.ndarray]) -> list[str]:
    firsts = dict.fromkeys(name.split(".")[0] for name in tensors)
    return [name for name in firsts if name.endswith("_head")]
