"""Checkpoints of networks of facial landmarks."""

from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind
from hrnet_tf.tasks.landmarks.network import HRNetLandmarks

NETWORK = NetworkKind(
    HRNetLandmarks,
    "landmarks",
    (Head("head.3.weight", "landmarks", 4, ("head.3",)),),
)
