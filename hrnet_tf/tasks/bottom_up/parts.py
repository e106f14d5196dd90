"""The parts of the task, tied together."""

from pathlib import Path

from hrnet_tf.tasks.base.task import Parts
from hrnet_tf.tasks.bottom_up.card import CARD
from hrnet_tf.tasks.bottom_up.checkpoint import NETWORK
from hrnet_tf.tasks.bottom_up.columns import COLUMNS
from hrnet_tf.tasks.bottom_up.experiment import BottomUpExperiment
from hrnet_tf.tasks.bottom_up.manifest import BottomUpManifest
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.bottom_up.serving import DECODER, SIGNATURE
from hrnet_tf.tasks.bottom_up.viewer import BottomUpViewer

# What decodes beside exports: the modules that the predictor works with.
FILES = ("assignment", "filters", "grouping", "looks", "maps", "peaks", "refine")
BESIDE = {
    "people/__init__.py": Path(__file__).with_name("decoder.py"),
    **{f"people/{name}.py": Path(__file__).with_name(f"{name}.py") for name in FILES},
}

PARTS = Parts(
    BottomUpManifest,
    BottomUpExperiment,
    BottomUpPredictor,
    BottomUpViewer,
    SIGNATURE,
    DECODER,
    NETWORK,
    beside=BESIDE,
    columns=COLUMNS,
    card=CARD,
)
