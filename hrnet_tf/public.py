"""What `import hrnet_tf` offers; add public names here."""

import hrnet_tf.common.backend  # noqa: F401  (before anything imports Keras)
from hrnet_tf.checkpoints.weights import load_official
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.version import __version__
from hrnet_tf.conversion.pretrained import load_checkpoint
from hrnet_tf.convert import check_converted
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.loading import load
from hrnet_tf.images.files import read_image
from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.images.sources import open_image
from hrnet_tf.losses import (
    DenseCrossEntropy,
    DenseRegression,
    HardPixelCrossEntropy,
    KeypointLoss,
    LovaszSoftmax,
    SoftDice,
    WeightedSum,
)
from hrnet_tf.networks.counting import Counts, count
from hrnet_tf.networks.fine_tuning import freeze_body, freeze_layers, unfreeze
from hrnet_tf.networks.recomputation import recompute
from hrnet_tf.networks.transfer import load_body
from hrnet_tf.optimizers import CoupledSGD
from hrnet_tf.tasks import register_task
from hrnet_tf.tasks.base.task import Command, Option, Parts, Task
from hrnet_tf.tasks.bottom_up.network import HigherHRNet
from hrnet_tf.tasks.classification.drawing import draw_classes
from hrnet_tf.tasks.classification.network import HRNetClassifier
from hrnet_tf.tasks.classification.predictor import ImageClassifier, decode_predictions
from hrnet_tf.tasks.classification.result import Classification
from hrnet_tf.tasks.detection.network import HRNetDetector, HRNetV2p
from hrnet_tf.tasks.keypoints.drawing import draw_pose
from hrnet_tf.tasks.keypoints.heatmaps import HeatmapCodec
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.metrics import KeypointAccuracy
from hrnet_tf.tasks.keypoints.result import Pose
from hrnet_tf.tasks.landmarks.drawing import draw_landmarks
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.losses import LandmarkLoss
from hrnet_tf.tasks.landmarks.metrics import CellDistance
from hrnet_tf.tasks.landmarks.network import HRNetLandmarks
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor
from hrnet_tf.tasks.landmarks.result import FaceLandmarks
from hrnet_tf.tasks.panoptic.classes import PanopticClasses
from hrnet_tf.tasks.panoptic.drawing import draw_panoptic
from hrnet_tf.tasks.panoptic.network import HRNetPanoptic
from hrnet_tf.tasks.panoptic.predictor import PanopticPredictor
from hrnet_tf.tasks.panoptic.result import PanopticMap
from hrnet_tf.tasks.pose.network import HRNetV1, LiteHRNet, SimpleBaseline
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.drawing import draw_map
from hrnet_tf.tasks.regression.metrics import RegressionScore
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.regression.result import DenseMap
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.drawing import draw_labels
from hrnet_tf.tasks.segmentation.metrics import PixelAccuracy, SegmentationScore
from hrnet_tf.tasks.segmentation.network import DeepLabV3, HRNetV2, PSPNet
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor
from hrnet_tf.tasks.segmentation.result import LabelMap
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train

__all__ = [
    "CellDistance",
    "ChannelSet",
    "ClassSet",
    "Classification",
    "Command",
    "Counts",
    "CoupledSGD",
    "DeepLabV3",
    "DenseCrossEntropy",
    "DenseMap",
    "DenseRegression",
    "FaceLandmarks",
    "HRNetClassifier",
    "HRNetDetector",
    "HRNetLandmarks",
    "HRNetPanoptic",
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
    "LandmarkLoss",
    "LandmarkPredictor",
    "LandmarkSet",
    "LiteHRNet",
    "LovaszSoftmax",
    "Option",
    "PSPNet",
    "PanopticClasses",
    "PanopticMap",
    "PanopticPredictor",
    "Parts",
    "PixelAccuracy",
    "Pose",
    "PosePredictor",
    "RegressionPredictor",
    "RegressionScore",
    "SegmentationPredictor",
    "SegmentationScore",
    "SimpleBaseline",
    "SoftDice",
    "Task",
    "WeightedSum",
    "__version__",
    "check_converted",
    "count",
    "decode_predictions",
    "draw_classes",
    "draw_labels",
    "draw_landmarks",
    "draw_map",
    "draw_panoptic",
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
    "recompute",
    "register_task",
    "train",
    "unfreeze",
]
