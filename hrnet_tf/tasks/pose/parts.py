"""The parts of the task, tied together."""

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.pose.card import CARD
from hrnet_tf.tasks.pose.checkpoint import NETWORK
from hrnet_tf.tasks.pose.columns import COLUMNS
from hrnet_tf.tasks.pose.demo import DEMO
from hrnet_tf.tasks.pose.experiment import PoseExperiment
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.pose.viewer import PoseViewer

PARTS = Parts(
    manifest=PoseManifest,
    experiment=PoseExperiment,
    predictor=PosePredictor,
    viewer=PoseViewer,
    columns=COLUMNS,
    signature=SIGNATURE,
    decoder=DECODER,
    network=NETWORK,
    demo=DEMO,
    card=CARD,
)
