"""Checkpoints of networks of facial landmarks."""

from hrnet_tf.tasks.base.checkpoint import Head, Network
from hrnet_tf.tasks.landmarks.network import HRNetLandmarks

NETWORK = Network(
    HRNetLandmarks,
    "landmarks",
    (Head("head.3.weight", "landmarks", 4, ("head.3",)),),
)
