"""What `import hrnet_tf` offers; add public names here."""

import hrnet_tf.backend  # noqa: F401  (before anything imports Keras)
from hrnet_tf.codecs.heatmaps import HeatmapCodec
from hrnet_tf.config import read_config
from hrnet_tf.convert import check_converted
from hrnet_tf.errors import InputError
from hrnet_tf.evaluate import evaluate_run
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.fine_tuning import freeze_body, freeze_layers, unfreeze
from hrnet_tf.image_files import read_image
from hrnet_tf.labels import KeypointSet
from hrnet_tf.loading import load
from hrnet_tf.losses import DenseCrossEntropy, KeypointLoss
from hrnet_tf.metrics.keypoints import KeypointAccuracy
from hrnet_tf.predictors.classification import ImageClassifier, decode_predictions
from hrnet_tf.predictors.pose import PosePredictor
from hrnet_tf.preprocess import preprocess_input
from hrnet_tf.pretrained import load_checkpoint
from hrnet_tf.results import Pose
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
from hrnet_tf.visualize import draw_pose
from hrnet_tf.weights import load_official

__all__ = [
    "DenseCrossEntropy",
    "HRNetClassifier",
    "HRNetLandmarks",
    "HRNetV1",
    "HRNetV2",
    "HRNetV2p",
    "HeatmapCodec",
    "HigherHRNet",
    "ImageClassifier",
    "InputError",
    "KeypointAccuracy",
    "KeypointLoss",
    "KeypointSet",
    "Pose",
    "PosePredictor",
    "__version__",
    "check_converted",
    "decode_predictions",
    "draw_pose",
    "evaluate_run",
    "export_run",
    "freeze_body",
    "freeze_layers",
    "load",
    "load_body",
    "load_checkpoint",
    "load_official",
    "preprocess_input",
    "read_config",
    "read_image",
    "train",
    "unfreeze",
]
