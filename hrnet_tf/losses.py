"""Losses by the paths that configurations name them by."""

from hrnet_tf.networks.weighted_losses import WeightedSum
from hrnet_tf.tasks.keypoints.losses import KeypointLoss
from hrnet_tf.tasks.landmarks.losses import LandmarkLoss
from hrnet_tf.tasks.regression.losses import DenseRegression
from hrnet_tf.tasks.segmentation.dice import SoftDice
from hrnet_tf.tasks.segmentation.losses import (
    DenseCrossEntropy,
    HardPixelCrossEntropy,
    LovaszSoftmax,
)

__all__ = [
    "DenseCrossEntropy",
    "DenseRegression",
    "HardPixelCrossEntropy",
    "KeypointLoss",
    "LandmarkLoss",
    "LovaszSoftmax",
    "SoftDice",
    "WeightedSum",
]
