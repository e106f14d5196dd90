"""The parts of the task, tied together."""

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.classification.card import CARD
from hrnet_tf.tasks.classification.checkpoint import NETWORK
from hrnet_tf.tasks.classification.columns import COLUMNS
from hrnet_tf.tasks.classification.experiment import ClassificationExperiment
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.predictor import ImageClassifier
from hrnet_tf.tasks.classification.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.classification.viewer import ClassViewer

PARTS = Parts(
    manifest=ClassificationManifest,
    experiment=ClassificationExperiment,
    predictor=ImageClassifier,
    viewer=ClassViewer,
    columns=COLUMNS,
    signature=SIGNATURE,
    decoder=DECODER,
    network=NETWORK,
    card=CARD,
)
