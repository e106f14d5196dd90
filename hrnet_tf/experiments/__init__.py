"""Data, network, loss and judgement of each task, tied together."""

from typing import Any

from hrnet_tf.config import Config
from hrnet_tf.experiments.base import Experiment
from hrnet_tf.experiments.classification import ClassificationExperiment
from hrnet_tf.experiments.pose import PoseExperiment
from hrnet_tf.experiments.regression import RegressionExperiment
from hrnet_tf.experiments.segmentation import SegmentationExperiment

EXPERIMENTS: dict[str, type[Any]] = {
    "pose": PoseExperiment,
    "classification": ClassificationExperiment,
    "segmentation": SegmentationExperiment,
    "regression": RegressionExperiment,
}


def make_experiment(config: Config) -> Experiment:
    """The experiment that a configuration describes."""
    return EXPERIMENTS[config.task](config)
