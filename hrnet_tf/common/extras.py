"""Packages that only some of the work needs, and what to install where they miss."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from hrnet_tf.common.errors import InputError

# The extra of each package, as setup.py has it, by the name that it is imported by.
EXTRAS = {
    "tf2onnx": "export",
    "onnx": "export",
    "onnxruntime": "export",
    "ai_edge_litert": "export",
    "ai_edge_quantizer": "export",
    "openvino": "openvino",
    "nncf": "openvino",
    "tensorflow_serving": "serving",
    "kubernetes": "kubernetes",
    "ray": "ray",
    "pyarrow": "ray",
    "fsspec": "ray",
}

# What runs an exported file, by its ending.
RUNTIMES = {
    ".tflite": "ai_edge_litert",
    ".onnx": "onnxruntime",
    ".xml": "openvino",
}


def require_runtime(path: str | Path, runtime: str | None = None) -> None:
    """See that what runs an exported file is installed.

    Args:
        path: of the file.
        runtime: what runs it, if that is not the usual one.

    Raises:
        InputError: if it is not; it says what to install.
    """
    package = runtime if runtime in EXTRAS else RUNTIMES.get(Path(path).suffix)
    if package:
        require([package], f"Running {path}")


def require(packages: Iterable[str], what: str) -> None:
    """See that packages are there before long work begins.

    Args:
        packages: names from `EXTRAS`.
        what: needs them, at the beginning of a sentence.

    Raises:
        InputError: if one is not installed; it says what to install.

    Example:
        ```python
        require(["tf2onnx"], "An export to ONNX")
        ```
    """
    if lacking := missing(packages):
        raise InputError(f"{what} needs {what_to_do(lacking)}")


def missing(packages: Iterable[str]) -> list[str]:
    """Those of some packages that are not installed, each once."""
    return [name for name in dict.fromkeys(packages) if find_spec(name) is None]


def explain(error: ImportError) -> str:
    """A failed import in words; of the packages of extras, what to install."""
    name = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name in EXTRAS:
        return f"This needs {what_to_do([name])}"
    return str(error)


def what_to_do(lacking: list[str]) -> str:
    """The names of packages that are not installed, and how to install them."""
    extras = ",".join(dict.fromkeys(EXTRAS[name] for name in lacking))
    return (
        f"{', '.join(lacking)}, which {'is' if len(lacking) == 1 else 'are'} not "
        f"installed: pip install 'hrnet-tf[{extras}]' (in the repository: pip install "
        f"-e '.[{extras}]')."
    )
