"""The parts of the task, tied together."""

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.detection.card import CARD
from hrnet_tf.tasks.detection.checkpoint import NETWORK
from hrnet_tf.tasks.detection.columns import COLUMNS
from hrnet_tf.tasks.detection.experiment import DetectionExperiment
from hrnet_tf.tasks.detection.manifest import DetectionManifest
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from hrnet_tf.tasks.detection.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.detection.viewer import DetectionViewer

PARTS = Parts(
    DetectionManifest,
    DetectionExperiment,
    DetectionPredictor,
    DetectionViewer,
    SIGNATURE,
    DECODER,
    NETWORK,
    columns=COLUMNS,
    card=CARD,
)
