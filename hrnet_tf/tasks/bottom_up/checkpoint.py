"""Checkpoints of bottom-up pose networks."""

from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind
from hrnet_tf.tasks.bottom_up.network import HigherHRNet

NETWORK = NetworkKind(
    HigherHRNet,
    "bottom-up pose",
    (Head("final_layers.1.weight", "keypoints", 4, ("final_layers",)),),
)
