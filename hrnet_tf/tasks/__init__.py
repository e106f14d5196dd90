"""The table of tasks: the only place above which no task is named.

What stands above (training, conversion, export, the command line) asks here.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.typed_yaml import load_yaml, merge
from hrnet_tf.data.localized import localized
from hrnet_tf.tasks.base.task import Option, Parts, Task
from hrnet_tf.tasks.bottom_up import TASK as BOTTOM_UP
from hrnet_tf.tasks.classification import TASK as CLASSIFICATION
from hrnet_tf.tasks.detection import TASK as DETECTION
from hrnet_tf.tasks.landmarks import TASK as LANDMARKS
from hrnet_tf.tasks.panoptic import TASK as PANOPTIC
from hrnet_tf.tasks.plugins import find_plugins, load_plugin
from hrnet_tf.tasks.pose import TASK as POSE
from hrnet_tf.tasks.regression import TASK as REGRESSION
from hrnet_tf.tasks.segmentation import TASK as SEGMENTATION

if TYPE_CHECKING:
    from hrnet_tf.common.config import Config
    from hrnet_tf.tasks.base.checkpoint import NetworkKind
    from hrnet_tf.tasks.base.experiment import Experiment
    from hrnet_tf.tasks.base.manifest import TaskManifest
    from hrnet_tf.tasks.base.viewer import Viewer

logger = logging.getLogger(__name__)

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        *(POSE, BOTTOM_UP, LANDMARKS, DETECTION),
        *(CLASSIFICATION, SEGMENTATION, PANOPTIC, REGRESSION),
    )
}
OWN = frozenset(TASKS)  # of this package
DEFAULT = POSE.name  # of configurations that name no task

# Modules of further networks whose checkpoints can be read: a task's second one, and
# those that nothing trains. Whatever has a detector's tensors has those of its pyramid,
# which comes last for that.
FURTHER_NETWORKS = (
    *("pose.lite_checkpoint", "pose.resnet_checkpoint"),
    "detection.pyramid",
)


def register_task(task: Task) -> None:
    """Add a task of your own: configurations, training, commands, exports know it then.

    Args:
        task: its row; see `hrnet_tf.tasks.base.task.Task`.

    Raises:
        InputError: if there is another task of this name.

    Example:
        ```python
        hrnet_tf.register_task(Task("brightness", BrightnessConfig, parts))
        hrnet_tf.train(hrnet_tf.read_config("brightness.yaml"))
        ```
    """
    if TASKS.setdefault(task.name, task) != task:
        raise InputError(
            f"There is a task {task.name} already; give yours another name than "
            f"{', '.join(TASKS)}."
        )


def find_task(name: Any, where: str | Path) -> Task:
    """The task of this name, of this package or of another one.

    Args:
        name: what stands under `task`.
        where: the file that it stands in, for errors.

    Raises:
        InputError: if there is none, or that of another package cannot be loaded.
    """
    if not isinstance(name, str) or name not in TASKS:
        plugins = find_plugins()
        if not isinstance(name, str) or name not in plugins:
            known = ", ".join({**TASKS, **plugins})
            raise InputError(f"{where}: `task` must be one of {known}, got {name!r}.")
        register_task(load_plugin(plugins[name]))
    return TASKS[name]


def load_plugins() -> None:
    """Register the tasks of other packages; those that cannot be are told of."""
    for entry in find_plugins().values():
        try:
            register_task(load_plugin(entry))
        except InputError as error:
            logger.warning("%s is not taken: %s", entry.value, error)


def check_known_elsewhere(name: str) -> None:
    """Raise an InputError unless other processes know a task too."""
    if name not in OWN and name not in find_plugins():
        raise InputError(
            f"The task {name} is registered in this process alone, and this needs "
            "another one; declare it as an entry point of the group hrnet_tf.tasks, as "
            "docs/own_task.md shows."
        )


def parts_of(described: TaskManifest | Config) -> Parts:
    """The parts of the task of a manifest or a configuration."""
    return TASKS[described.task].parts()


def make_experiment(config: Config) -> Experiment:
    """The experiment that a configuration describes; for its network alone, say."""
    return parts_of(config).experiment(config)


def open_experiment(config: Config) -> Experiment:
    """The same for those who read its data: what lies elsewhere is copied first.

    Raises:
        InputError: if it cannot be had; see `hrnet_tf.data.localized`.
    """
    return make_experiment(localized(config))


def make_viewer(predictor: Any, settings: Any = None, **options: Any) -> Viewer:
    """What looks at files with a predictor.

    Args:
        predictor: such as `hrnet_tf.load` gives.
        settings: a configuration's `evaluate`; None: the defaults.
        options: of the predictor's task, by name; see `Task.options`.
    """
    return parts_of(predictor.manifest).viewer(predictor, settings=settings, **options)


def predict_options() -> list[Option]:
    """What `hrnet-tf predict` takes for models of one task or another; a flag once."""
    every = [option for task in TASKS.values() for option in task.options]
    return list({option.flag: option for option in every}.values())


def usual_options(manifest: TaskManifest) -> dict[str, Any]:
    """Options of a manifest's viewer, by name, where none is given."""
    return {option.name: option.usual for option in TASKS[manifest.task].options}


def read_manifest(path: str | Path) -> TaskManifest:
    """Read a manifest file of any task.

    Raises:
        InputError: if it is broken, or of no task; see `typed_yaml.merge`.

    Example:
        ```python
        manifest = read_manifest("saved_models/demo/manifest.json")
        manifest.task, manifest.input.size  # "pose", (128, 96)
        ```
    """
    given = load_yaml(Path(path))
    task = find_task(given.get("task"), path)
    return merge(task.parts().manifest, given, where=str(path))


def networks() -> dict[str, NetworkKind]:
    """Every network of the family whose checkpoints can be read, by its constructor."""
    found = [task.parts().network for task in TASKS.values()]
    for name in FURTHER_NETWORKS:
        module = importlib.import_module(f"{__name__}.{name}")
        found.append(module.NETWORK)
    return {network.name: network for network in found if network is not None}
