"""YAML files to typed configurations; every task has its own."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from omegaconf import OmegaConf

from hrnet_tf.common.config import Config
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.shipped import find_config
from hrnet_tf.common.typed_yaml import load_yaml, merge
from hrnet_tf.tasks import DEFAULT, find_task

RUN_FILE = "config.yaml"  # in a run's folder


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read an experiment from a YAML file.

    Args:
        path: the file, or the name of a shipped one, such as `pose/demo`. Its `task`
            names the kind of configuration.
        overrides: `key=value` pairs that win over the file, such as
            `"train.epochs=20"` or `"model.modules=[1,1,1]"`.

    Returns:
        The configuration, with every default filled in.

    Raises:
        InputError: if the file is missing or no YAML, a key is unknown, missing or of
            another type; the text names the file or the override, the key, and the
            nearest valid one.

    Example:
        ```python
        config = read_config("configs/pose/demo.yaml", ["train.epochs=2"])
        config.train.epochs  # 2
        ```
    """
    path = find_config(path)
    given = load_yaml(path)
    named = cast(dict, OmegaConf.to_container(given)).get("task", DEFAULT)
    task = find_task(named, path)
    _check_task(overrides, task.name, path)
    schema = task.config
    config = merge(schema, load_yaml(path, schema), overrides, where=str(path))
    inside = path.name == RUN_FILE and (path.parent / "checkpoints").is_dir()
    if inside and not any(override.startswith("output=") for override in overrides):
        # The folder may have been moved or copied since.
        config = dataclasses.replace(config, output=str(path.parent))
    elif not config.output:
        config = dataclasses.replace(
            config, output=str(Path("saved_models") / path.stem)
        )
    return config


def _check_task(overrides: Sequence[str], name: str, path: Path) -> None:
    """Raise an InputError for an override that names another task than the file."""
    for override in overrides:
        key, _, value = override.partition("=")
        if key != "task":
            continue
        asked = find_task(value.strip(" '\""), f"override {override}").name
        if asked != name:
            raise InputError(
                f"override {override}: {path} is a configuration of the task {name}; "
                f"one of {asked} has other keys, see `hrnet-tf configs`."
            )


def read_run_config(folder: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a run that training has made.

    Args:
        folder: the run's.
        overrides: `key=value` pairs that win over it.

    Raises:
        InputError: if the folder holds no run, or as `read_config` does.
    """
    path = Path(folder) / RUN_FILE
    if not path.is_file():
        raise InputError(
            f"{folder} is no run: there is no config.yaml in it. Give a folder "
            "that `hrnet-tf train` has made."
        )
    return read_config(path, overrides)


def folder_key(config: Config) -> str:
    """The key that says where the validation images of a configuration are."""
    return "data.root" if hasattr(config.data, "root") else "data.validation.images"
