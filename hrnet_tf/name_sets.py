"""What sets of names in files have in common: shipped ones, mirrors, near misses."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.errors import InputError


def find_set(source: str | Path, folder: Path, kind: str, files: str) -> Path:
    """The file of a shipped set by its name, or any file by its path.

    Args:
        source: name or path.
        folder: of the shipped ones, YAML.
        kind: what the sets are called in errors.
        files: which files may be given, in words.

    Raises:
        InputError: if there is neither.
    """
    shipped = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    path = shipped.get(str(source), Path(source))
    if not path.is_file():
        raise InputError(
            f"There is no {kind} {source}: give the path of {files} or one of "
            f"{', '.join(shipped)}."
        )
    return path


def nearest_name(name: str, names: Sequence[str]) -> str:
    """The name that is spelled most like another one."""
    return difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]


def order_in_mirror(
    names: Sequence[str], flip_pairs: Sequence[tuple[str, str]]
) -> np.ndarray:
    """int64 `(names,)`: where each index goes in a mirror."""
    order = np.arange(len(names))
    for left, right in flip_pairs:
        i, j = names.index(left), names.index(right)
        order[i], order[j] = j, i
    return order
