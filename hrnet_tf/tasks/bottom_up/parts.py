"""The parts of the task, tied together."""

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.bottom_up.checkpoint import NETWORK
from hrnet_tf.tasks.bottom_up.experiment import BottomUpExperiment
from hrnet_tf.tasks.bottom_up.manifest import BottomUpManifest
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.bottom_up.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.bottom_up.viewer import BottomUpViewer

PARTS = Parts(
    BottomUpManifest,
    BottomUpExperiment,
    BottomUpPredictor,
    BottomUpViewer,
    SIGNATURE,
    DECODER,
    NETWORK,
)
