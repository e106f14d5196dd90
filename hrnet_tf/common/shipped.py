"""The configurations that travel with the package: found, listed, copied."""

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_bytes

logger = logging.getLogger(__name__)

# Beside the modules in a wheel (setup.py puts them there), beside the package in the
# repository.
FOLDERS = tuple(folder / "configs" for folder in Path(__file__).parents[1:3])

# How the lines of a file's head begin that say what to type, not what it is for.
COMMANDS = ("hrnet-tf ", "make ", "data.")


@dataclass(frozen=True)
class Shipped:
    """A configuration of the package.

    Attributes:
        name: what `hrnet-tf train` takes, such as `pose/demo`.
        path: the file.
        purpose: what it is for, one line.
    """

    name: str
    path: Path
    purpose: str

    @property
    def task(self) -> str:
        """The task that it is for."""
        return self.name.partition("/")[0]


def shipped_configs() -> list[Shipped]:
    """Every configuration that travels with the package, by name.

    Raises:
        InputError: if the installed package has none.
    """
    folder = next((folder for folder in FOLDERS if folder.is_dir()), None)
    if folder is None:
        raise InputError(
            f"{FOLDERS[0]} is missing: the package is not installed whole; install it "
            "again with pip."
        )
    return [
        Shipped(f"{path.parent.name}/{path.stem}", path, _purpose(path))
        for path in sorted(folder.glob("*/*.yaml"))
    ]


def find_config(source: str | Path) -> Path:
    """The file of a configuration: one that is there, or else a shipped one.

    Args:
        source: a path, or a shipped name: `pose/demo` and `configs/pose/demo.yaml` are
            the same one.

    Returns:
        Its path; a path that is neither is given back as it is.

    Example:
        ```python
        find_config("pose/demo")  # .../configs/pose/demo.yaml
        ```
    """
    path = Path(source)
    if path.is_file():
        return path
    name = _name(path)
    for config in shipped_configs():
        if config.name == name:
            logger.info("%s: taken from the package, %s", source, config.path)
            return config.path
    return path


def copy_config(name: str, folder: str | Path) -> Path:
    """Copy a shipped configuration, to be changed.

    Args:
        name: as `shipped_configs` has it.
        folder: where to.

    Returns:
        The copy.

    Raises:
        InputError: if there is none of this name, or a file is in the way.
    """
    configs = {config.name: config for config in shipped_configs()}
    config = configs.get(_name(Path(name)))
    if config is None:
        near = difflib.get_close_matches(name, configs, n=1, cutoff=0.0)[0]
        raise InputError(
            f"There is no shipped configuration {name}; did you mean {near}? "
            "`hrnet-tf configs` lists them."
        )
    target = Path(folder) / config.path.name
    if target.exists():
        raise InputError(
            f"{target} is there already; give another folder with --out, or rename it."
        )
    write_bytes(target, config.path.read_bytes())
    return target


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts if path.suffix == ".yaml" else path.parts
    return "/".join(parts[1:] if parts[:1] == ("configs",) else parts)


def _purpose(path: Path) -> str:
    """The first line of a file's head that is no command."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if line.startswith("#") and not text.startswith(COMMANDS):
            return text
    return ""
