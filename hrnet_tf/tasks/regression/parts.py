"""The parts of the task, tied together."""

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.regression.card import CARD
from hrnet_tf.tasks.regression.columns import COLUMNS
from hrnet_tf.tasks.regression.experiment import RegressionExperiment
from hrnet_tf.tasks.regression.manifest import RegressionManifest
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.regression.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.regression.viewer import MapViewer

PARTS = Parts(
    manifest=RegressionManifest,
    experiment=RegressionExperiment,
    predictor=RegressionPredictor,
    viewer=MapViewer,
    columns=COLUMNS,
    signature=SIGNATURE,
    decoder=DECODER,
    card=CARD,
)
