"""What a task is to all that stands above it: a row of a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line reads the table before anything heavy is imported
    from hrnet_tf.tasks.base.checkpoint import NetworkKind
    from hrnet_tf.tasks.base.manifest import TaskManifest
    from hrnet_tf.tasks.base.predictor import Predictor
    from hrnet_tf.tasks.base.serving import Decoder, Signature
    from hrnet_tf.tasks.base.viewer import Viewer


@dataclass(frozen=True)
class Demo:
    """How `hrnet-tf demo` goes the whole way with a task on the drawn data set.

    Attributes:
        settings: of the data set's folder: `key=value` for the task's shipped
            configuration `demo`.
        pictures: of a run's configuration and a folder, which it fills with files to
            predict on: the folder of the images, and the viewer's options by name.
    """

    settings: Callable[[Path], list[str]]
    pictures: Callable[[Any, Path], tuple[Path, dict[str, Any]]]


@dataclass(frozen=True)
class Parts:
    """What a task does: all of it that needs TensorFlow.

    Attributes:
        manifest: class of the facts of a trained model.
        experiment: ties data, network, loss and judgement of a configuration together.
        predictor: class of what answers about images.
        viewer: of a predictor, `settings=` (a configuration's `evaluate`, or None) and
            the task's options by name: what looks at files.
        signature: what SavedModels answer to encoded images.
        decoder: from a network's output to its meaning.
        network: how the official checkpoints of its network are read, if there are any.
        demo: how the demo shows it, if it does.
    """

    manifest: type[TaskManifest]
    experiment: type[Any]  # an `Experiment`
    predictor: type[Predictor]
    viewer: Callable[..., Viewer]
    signature: Signature
    decoder: Decoder
    network: NetworkKind | None = None
    demo: Demo | None = None


@dataclass(frozen=True)
class Option:
    """An argument of `hrnet-tf predict` that models of some tasks take.

    Attributes:
        flag: such as `--boxes`.
        whose: models that take it, in words, for errors.
        settings: of `argparse.ArgumentParser.add_argument`, such as `help`.
        file: which file it names, in words; "": none.
    """

    flag: str
    whose: str
    settings: Mapping[str, Any]
    file: str = ""

    @property
    def name(self) -> str:
        """Of the viewer's argument, such as `boxes`."""
        return self.flag.removeprefix("--").replace("-", "_")

    def given(self, arguments: argparse.Namespace) -> bool:
        """Whether it has been set to something."""
        usual = self.settings.get("default", False)
        return getattr(arguments, self.name) not in (None, usual)


@dataclass(frozen=True)
class Command:
    """A command of `hrnet-tf` that one task has.

    Attributes:
        name: of the command.
        function: does it; its docstring is the help.
        arguments: adds what may be written behind it.
        interrupted: what becomes of it when it is interrupted, in words.
    """

    name: str
    function: Callable[[argparse.Namespace], None]
    arguments: Callable[[argparse.ArgumentParser], None]
    interrupted: str


@dataclass(frozen=True)
class Task:
    """A task: what configurations call it, and where its parts are.

    Attributes:
        name: the `task` of its configurations and manifests.
        config: class of its configurations, a frozen dataclass with `task`, `output`,
            `seed`, `model`, `data`, `train` and `evaluate`.
        parts: gives its parts; called when they are needed, so that the table is read
            without TensorFlow.
        options: of `hrnet-tf predict`.
        commands: of `hrnet-tf`, that only this task has.

    Example:
        ```python
        TASK = Task("brightness", BrightnessConfig, lambda: Parts(...))
        hrnet_tf.register_task(TASK)
        ```
    """

    name: str
    config: type[Any]
    parts: Callable[[], Parts]
    options: tuple[Option, ...] = ()
    commands: tuple[Command, ...] = ()
