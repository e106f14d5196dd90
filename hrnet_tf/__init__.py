"""HRNet, the High-Resolution Network family, for Keras and TensorFlow 2."""

import importlib
import sys
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from hrnet_tf.common.version import __version__

__all__ = ["__version__"]

SCRIPTS = ("hrnet-tf", "hrnet-tf.exe", "hrnet-tf-script.py")


def import_public_names() -> None:
    """Import `hrnet_tf.public`: Keras knows the layers, losses and so on then."""
    public = importlib.import_module("hrnet_tf.public")
    globals().update({name: getattr(public, name) for name in public.__all__})
    globals()["__all__"] = public.__all__


def _is_command() -> bool:
    """Whether this process is the command line, `hrnet-tf` or `python -m hrnet_tf`."""
    program = (getattr(sys, "argv", None) or [""])[0]
    if program == "-m":  # while Python looks for the module to run
        return "hrnet_tf" in sys.orig_argv
    return PurePath(program).name in SCRIPTS


def __getattr__(name: str) -> Any:
    """A public name where they are not imported yet: own tasks ask the command so."""
    if name.startswith("__") or find_spec(f"{__name__}.{name}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("hrnet_tf.public"), name)


# The command line checks its arguments first and imports the rest then. In Python all
# is there at once: Keras can load what this package has saved without another import.
if TYPE_CHECKING:
    from hrnet_tf.public import *  # noqa: F403
elif not _is_command():
    import_public_names()
