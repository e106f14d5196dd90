"""What a task of one's own is made of; `docs/own_task.md` shows a whole one."""

from hrnet_tf.common.config import FilesSection, NetworkSection, TrainSection
from hrnet_tf.images.pictures import write_note
from hrnet_tf.networks.building import build_network
from hrnet_tf.tasks import register_task
from hrnet_tf.tasks.base.experiment import (
    Evaluation,
    Evaluator,
    Experiment,
    TrainingData,
    behind_normalisation,
    named_loss,
)
from hrnet_tf.tasks.base.image_files import ImageFiles
from hrnet_tf.tasks.base.image_tasks import (
    ImageEvaluate,
    ImageEvaluation,
    ImageEvaluator,
    ImageExperiment,
    ImageFolder,
    ImagePredictor,
)
from hrnet_tf.tasks.base.manifest import ImageInput, Manifest, Output, versions
from hrnet_tf.tasks.base.predictor import Predictor
from hrnet_tf.tasks.base.serving import (
    TOLERANCE,
    Answer,
    Decoder,
    Signature,
    decoding,
    image_signature,
)
from hrnet_tf.tasks.base.task import Command, Option, Parts, Task
from hrnet_tf.tasks.base.viewer import Viewer

__all__ = [
    "TOLERANCE",
    "Answer",
    "Command",
    "Decoder",
    "Evaluation",
    "Evaluator",
    "Experiment",
    "FilesSection",
    "ImageEvaluate",
    "ImageEvaluation",
    "ImageEvaluator",
    "ImageExperiment",
    "ImageFiles",
    "ImageFolder",
    "ImageInput",
    "ImagePredictor",
    "Manifest",
    "NetworkSection",
    "Option",
    "Output",
    "Parts",
    "Predictor",
    "Signature",
    "Task",
    "TrainSection",
    "TrainingData",
    "Viewer",
    "behind_normalisation",
    "build_network",
    "decoding",
    "image_signature",
    "named_loss",
    "register_task",
    "versions",
    "write_note",
]
