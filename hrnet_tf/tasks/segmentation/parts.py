"""The parts of the task, tied together."""

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.segmentation.card import CARD
from hrnet_tf.tasks.segmentation.checkpoint import NETWORK
from hrnet_tf.tasks.segmentation.columns import COLUMNS
from hrnet_tf.tasks.segmentation.experiment import SegmentationExperiment
from hrnet_tf.tasks.segmentation.manifest import SegmentationManifest
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor
from hrnet_tf.tasks.segmentation.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.segmentation.viewer import SegmentViewer

PARTS = Parts(
    manifest=SegmentationManifest,
    experiment=SegmentationExperiment,
    predictor=SegmentationPredictor,
    viewer=SegmentViewer,
    columns=COLUMNS,
    signature=SIGNATURE,
    decoder=DECODER,
    network=NETWORK,
    card=CARD,
)
