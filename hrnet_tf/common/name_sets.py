"""What sets of names in files have in common: shipped ones, mirrors, near misses."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.common.errors import InputError


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


def check_names(names: Sequence[str], what: str) -> None:
    """Raise an InputError unless there are names, and no two are the same.

    Args:
        names: of a set.
        what: has them, in a word.
    """
    if not names:
        raise InputError(f"`names` must hold each {what} once, and at least one")
    for index, name in enumerate(names):
        if not name.strip():
            raise InputError(f"`names` holds {name!r}; each {what} must have a name")
        if name in names[:index]:
            raise InputError(
                f"`names` must hold each {what} once, {name} is there twice"
            )


def as_name(entry: str | int, names: Sequence[str], key: str, what: str) -> str:
    """A name of a set, given as such or by its index.

    Args:
        entry: a name of the set wins over an index.
        names: of the set.
        key: where the entry stands, for errors.
        what: the names are of, in a word.

    Raises:
        InputError: if there is no such name or index.
    """
    if entry in names:
        return str(entry)
    number = isinstance(entry, int) and not isinstance(entry, bool)
    if number or (isinstance(entry, str) and re.fullmatch(r"[-+]?\d+", entry)):
        if 0 <= int(entry) < len(names):
            return names[int(entry)]
        raise InputError(
            f"`{key}` holds {entry}, which is no name, and no index either: the "
            f"{len(names)} indices begin at 0 and end at {len(names) - 1}"
        )
    near = nearest_name(str(entry), names)
    raise InputError(f"`{key}` names an unknown {what} {entry}; did you mean {near}?")


def as_pairs(
    pairs: Sequence[Sequence[str | int]], names: Sequence[str], key: str, what: str
) -> tuple[tuple[str, str], ...]:
    """Pairs of names of a set, each given as such or by its index; see `as_name`.

    Raises:
        InputError: if an entry is no pair of two.
    """
    found = []
    for pair in pairs:
        whole = isinstance(pair, (list, tuple)) and len(pair) == 2
        both = [as_name(entry, names, key, what) for entry in pair] if whole else []
        if not whole or both[0] == both[1]:
            given = list(pair) if isinstance(pair, (list, tuple)) else pair
            raise InputError(f"`{key}` must hold pairs of two names, got {given}")
        found.append((both[0], both[1]))
    return tuple(found)


def check_flips(pairs: Sequence[tuple[str, str]]) -> None:
    """Raise an InputError if a name is in more than one pair of a mirror."""
    flipped = [name for pair in pairs for name in pair]
    for name in flipped:
        if flipped.count(name) > 1:
            raise InputError(
                f"`flip_pairs` names {name} twice; a mirror exchanges it with one other"
            )


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
