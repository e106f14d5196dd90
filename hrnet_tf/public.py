"""What `import hrnet_tf` offers; add public names here."""

import hrnet_tf.backend  # noqa: F401  (before anything imports Keras)
from hrnet_tf.channels import ChannelSet
from hrnet_tf.classes import ClassSet
from hrnet_tf.codecs.heatmaps import HeatmapCodec
from hrnet_tf.config import read_config
from hrnet_tf.convert import check_converted
from hrnet_tf.errors import InputError
from hrnet_tf.evaluate import evaluate_run
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.fine_tuning import freeze_body, freeze_layers, unfreeze
from hrnet_tf.image_files import read_image
from hrnet_tf.image_sources import open_image
from hrnet_tf.labels import KeypointSet
from hrnet_tf.loading import load
from hrnet_tf.losses import (
    DenseCrossEntropy,
    DenseRegression,
    HardPixelCrossEntropy,
    KeypointLoss,
    LovaszSoftmax,
    SoftDice,
    WeightedSum,
)
from hrnet_tf.metrics.keypoints import KeypointAccuracy
from hrnet_tf.metrics.regression import RegressionScore
from hrnet_tf.metrics.segmentation import PixelAccuracy, SegmentationScore
from hrnet_tf.optimizers import CoupledSGD
from hrnet_tf.predictors.classification import ImageClassifier, decode_predictions
from hrnet_tf.predictors.pose import PosePredictor
from hrnet_tf.predictors.regression import RegressionPredictor
from hrnet_tf.predictors.segmentation import SegmentationPredictor
from hrnet_tf.preprocess import preprocess_input
from hrnet_tf.pretrained import load_checkpoint
from hrnet_tf.results import Classification, DenseMap, LabelMap, Pose
from hrnet_tf.tasks import (
    HigherHRNet,
    HRNetClassifier,
    HRNetLandmarks,
    HRNetV1,
    HRNetV2,
    HRNetV2p,
)
from hrnet_tf.tasks.transfer import load_body
from hrnet_tf.train import train
from hrnet_tf.version import __version__
from hrnet_tf.visualize import draw_classes, draw_labels, draw_map, draw_pose
from hrnet_tf.weights import load_official

__all__ = [
    "ChannelSet",
    "ClassSet",
    "Classification",
    "CoupledSGD",
    "DenseCrossEntropy",
    "DenseMap",
    "DenseRegression",
    "HRNetClassifier",
    "HRNetLandmarks",
    "HRNetV1",
    "HRNetV2",
    "HRNetV2p",
    "HardPixelCrossEntropy",
    "HeatmapCodec",
    "HigherHRNet",
    "ImageClassifier",
    "InputError",
    "KeypointAccuracy",
    "KeypointLoss",
    "KeypointSet",
    "LabelMap",
    "LovaszSoftmax",
    "PixelAccuracy",
    "Pose",
    "PosePredictor",
    "RegressionPredictor",
    "RegressionScore",
    "SegmentationPredictor",
    "SegmentationScore",
    "SoftDice",
    "WeightedSum",
    "__version__",
    "check_converted",
    "decode_predictions",
    "draw_classes",
    "draw_labels",
    "draw_map",
    "draw_pose",
    "evaluate_run",
    "export_run",
    "freeze_body",
    "freeze_layers",
    "load",
    "load_body",
    "load_checkpoint",
    "load_official",
    "open_image",
    "preprocess_input",
    "read_config",
    "read_image",
    "train",
    "unfreeze",
]
