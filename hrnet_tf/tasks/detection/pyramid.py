"""Checkpoints of the pyramid alone."""

from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind
from hrnet_tf.tasks.detection.network import HRNetV2p

NETWORK = NetworkKind(
    HRNetV2p,
    "detection",
    (Head("neck.reduction_conv.0.weight", "", 4, ()),),
)
