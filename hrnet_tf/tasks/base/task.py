"""What a task is to all that stands above it: a row of a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:  # the command line reads the table before anything heavy is imported
    from hrnet_tf.tasks.base.card import Card
    from hrnet_tf.tasks.base.checkpoint import NetworkKind
    from hrnet_tf.tasks.base.columns import Columns
    from hrnet_tf.tasks.base.manifest import TaskManifest
    from hrnet_tf.tasks.base.predictor import Predictor
    from hrnet_tf.tasks.base.serving import Decoder, Signature
    from hrnet_tf.tasks.base.viewer import Viewer


# What stands above the tasks asks of configurations, by their sections; "": themselves.
SECTIONS = {
    "": {"task", "output", "seed", "model", "data", "train", "evaluate"},
    "data": {"on_error", "orientation", "pixel_limit"},
}


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
        signature: what SavedModels answer to encoded images; None: they take normalised
            images only.
        decoder: from a network's output to its meaning; None: they are the same.
        network: how the official checkpoints of its network are read, if there are any.
        demo: how the demo shows it, if it does.
        beside: what exports bring along for those who decode in NumPy alone, where
            `decoder.py` beside them does not know the task: files by the names that
            they get there, such as `"people/__init__.py"`.
        columns: what `predict-many` writes of what the viewer, a `FindingViewer`,
            finds; None: a column `answer`, the viewer's entries as JSON.
        card: what model cards say of it; None: what holds for every task.

    Raises:
        ValueError: if only one of predictor and exports decodes: they would answer
            differently.
    """

    manifest: type[TaskManifest]
    experiment: type[Any]  # an `Experiment`
    predictor: type[Predictor]
    viewer: Callable[..., Viewer]
    signature: Signature | None = None
    decoder: Decoder | None = None
    network: NetworkKind | None = None
    demo: Demo | None = None
    beside: Mapping[str, Path] = field(default_factory=dict)
    columns: Columns | None = None
    card: Card | None = None

    def __post_init__(self):
        from hrnet_tf.tasks.base.predictor import Predictor

        as_it_is = self.predictor.in_graph is Predictor.in_graph
        if as_it_is != (self.decoder is None):
            raise ValueError(
                f"{self.predictor.__name__} must have an `in_graph` of its own if the "
                "task has a `decoder`, and none if it has none."
            )


@dataclass(frozen=True)
class LookedAt:
    """What a task's predictor takes boxes of.

    Attributes:
        name: of the class, as detectors call it, such as `person`.
        several: of them, such as `people`: the name of the signature of SavedModels
            that finds them by a detector.
    """

    name: str
    several: str


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

    @property
    def usual(self) -> Any:
        """Its value where it is not given."""
        is_switch = self.settings.get("action") == "store_true"
        return self.settings.get("default", False if is_switch else None)

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
            `seed`, `model`, `data` (with `on_error`, `orientation`, `pixel_limit`),
            `train` and `evaluate`.
        parts: gives its parts; called when they are needed, so that the table is read
            without TensorFlow.
        options: of `hrnet-tf predict`.
        commands: of `hrnet-tf`, that only this task has.
        looks_at: what its predictor takes boxes of, `predict(image, boxes, scores)`;
            None: it takes none.

    Raises:
        ValueError: if its configurations lack one of those.

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
    looks_at: LookedAt | None = None

    def __post_init__(self):
        sections = get_type_hints(self.config)
        for section, names in SECTIONS.items():
            schema = sections[section] if section else self.config
            if missing := names - get_type_hints(schema).keys():
                raise ValueError(
                    f"Configurations of the task {self.name} must have "
                    f"{', '.join(sorted(missing))} in {schema.__name__}."
                )
