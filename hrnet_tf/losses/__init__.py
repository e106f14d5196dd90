"""Losses, as plain functions of tensors and as Keras losses for `compile`."""

from hrnet_tf.losses.dice import SoftDice
from hrnet_tf.losses.keypoints import (
    KeypointLoss,
    heatmap_mse,
    heatmap_ohkm,
    joint_errors,
)
from hrnet_tf.losses.regression import DenseRegression
from hrnet_tf.losses.segmentation import (
    DenseCrossEntropy,
    HardPixelCrossEntropy,
    LovaszSoftmax,
)
from hrnet_tf.losses.weighted import WeightedSum

__all__ = [
    "DenseCrossEntropy",
    "DenseRegression",
    "HardPixelCrossEntropy",
    "KeypointLoss",
    "LovaszSoftmax",
    "SoftDice",
    "WeightedSum",
    "heatmap_mse",
    "heatmap_ohkm",
    "joint_errors",
]
