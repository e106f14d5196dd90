"""Data, network, loss and judgement of each task, tied together."""

from typing import Any

from hrnet_tf.tasks.base.experiment import Experiment
from hrnet_tf.tasks.classification.experiment import ClassificationExperiment
from hrnet_tf.tasks.pose.experiment import PoseExperiment
from hrnet_tf.tasks.regression.experiment import RegressionExperiment
from hrnet_tf.tasks.segmentation.experiment import SegmentationExperiment
from hrnet_tf.training.configs import Config

EXPERIMENTS: dict[str, type[Any]] = {
    "pose": PoseExperiment,
    "classification": ClassificationExperiment,
    "segmentation": SegmentationExperiment,
    "regression": RegressionExperiment,
}


def make_experiment(config: Config) -> Experiment:
    """The experiment that a configuration describes."""
    return EXPERIMENTS[config.task](config)
