"""What arguments of the command line have in common."""

import argparse
import math
from pathlib import Path

from hrnet_tf.common.errors import InputError

# What becomes of a command that is interrupted.
GOES_ON = "the same command goes on where it stopped"
ANEW = "nothing was written; the same command begins anew"


def positive(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def number(text: str) -> float:
    """A finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be finite, got {text}")
    return value


def add_settings(command: argparse.ArgumentParser, example: str) -> None:
    """Take `key=value` settings.

    Args:
        command: takes them.
        example: one, for the help.
    """
    command.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help=f"wins over the file, such as {example}",
    )


def must_exist(path: str | Path, what: str) -> None:
    """Raise an InputError that says what to give unless something is there."""
    if not Path(path).exists():
        raise InputError(f"There is no such file or folder {path}; give {what}.")
