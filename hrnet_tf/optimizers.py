"""Optimizers by the paths that configurations name them by."""

from hrnet_tf.networks.accumulation import Accumulated
from hrnet_tf.networks.optimizers import SGD, Adam, AdamW, CoupledSGD

__all__ = ["SGD", "Accumulated", "Adam", "AdamW", "CoupledSGD"]
