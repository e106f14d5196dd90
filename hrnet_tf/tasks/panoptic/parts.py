"""The parts of the task, tied together."""

from pathlib import Path

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.panoptic.card import CARD
from hrnet_tf.tasks.panoptic.columns import COLUMNS
from hrnet_tf.tasks.panoptic.experiment import PanopticExperiment
from hrnet_tf.tasks.panoptic.manifest import PanopticManifest
from hrnet_tf.tasks.panoptic.predictor import PanopticPredictor
from hrnet_tf.tasks.panoptic.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.panoptic.viewer import SegmentsViewer

PARTS = Parts(
    manifest=PanopticManifest,
    experiment=PanopticExperiment,
    predictor=PanopticPredictor,
    viewer=SegmentsViewer,
    columns=COLUMNS,
    signature=SIGNATURE,
    decoder=DECODER,
    beside={"panoptic.py": Path(__file__).with_name("decoder.py")},
    card=CARD,
)
