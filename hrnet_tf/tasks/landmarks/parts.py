"""The parts of the task, tied together."""

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.landmarks.card import CARD
from hrnet_tf.tasks.landmarks.checkpoint import NETWORK
from hrnet_tf.tasks.landmarks.columns import COLUMNS
from hrnet_tf.tasks.landmarks.experiment import LandmarkExperiment
from hrnet_tf.tasks.landmarks.manifest import LandmarkManifest
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor
from hrnet_tf.tasks.landmarks.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.landmarks.viewer import LandmarkViewer

PARTS = Parts(
    manifest=LandmarkManifest,
    experiment=LandmarkExperiment,
    predictor=LandmarkPredictor,
    viewer=LandmarkViewer,
    columns=COLUMNS,
    signature=SIGNATURE,
    decoder=DECODER,
    network=NETWORK,
    card=CARD,
)
