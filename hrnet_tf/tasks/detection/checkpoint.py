"""Checkpoints of detectors: which one a file holds."""

from typing import Any

from hrnet_tf.tasks.base.checkpoint import Given, Head, NetworkKind
from hrnet_tf.tasks.detection.heads import BOX_HEAD, MASK_HEAD, STAGES
from hrnet_tf.tasks.detection.network import HRNetDetector
from hrnet_tf.tasks.detection.translation import translate


def _head(tensor: str, **facts: bool) -> Head:
    """A row for detectors, told by one of their heads' last layers."""
    stages = range(STAGES) if facts["cascade"] else (None,)
    names = (
        head if stage is None else f"{head}.{stage}"
        for head in (BOX_HEAD, MASK_HEAD)
        for stage in stages
    )
    last = ["fc_cls", "conv_logits"] + ["fc_reg"] * (not facts["cascade"])
    return Head(
        f"{tensor}.weight",
        "classes",
        4 if facts["masks"] else 2,
        tuple(f"{name}.{layer}" for name in names for layer in last),
        beside=0 if facts["masks"] else 1,
        arguments=facts,
    )


# The argument that the first length of a tensor tells, of any kind of detector.
TELLING = {
    "neck.reduction_conv.0.weight": "features",
    f"{BOX_HEAD}.shared_fcs.0.weight": "hidden",
    f"{BOX_HEAD}.0.shared_fcs.0.weight": "hidden",
}


def _more(given: Given) -> dict[str, Any]:
    """How wide pyramid and box heads are."""
    there = TELLING.keys() & given.tensors.keys()
    return {TELLING[name]: len(given.tensors[name]) for name in there}


NETWORK = NetworkKind(
    HRNetDetector,
    "detection",
    (
        _head(f"{MASK_HEAD}.0.conv_logits", cascade=True, masks=True),
        _head(f"{MASK_HEAD}.conv_logits", cascade=False, masks=True),
        _head(f"{BOX_HEAD}.0.fc_cls", cascade=True, masks=False),
        _head(f"{BOX_HEAD}.fc_cls", cascade=False, masks=False),
    ),
    more=_more,
    translate=translate,
)
