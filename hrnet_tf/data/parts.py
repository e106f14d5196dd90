"""What folders and lists of a data set are for, by their names: one rule for all tasks.

Training takes `train` or `training`; validation `val`, `valid`, `validation` or `dev`;
upper or lower case. `test` is for neither. What is not used is named.
"""

import logging
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from hrnet_tf.common.errors import InputError

logger = logging.getLogger(__name__)

TRAINING, VALIDATION, TEST = "train", "val", "test"
MEANINGS: dict[str, tuple[str, ...]] = {
    TRAINING: ("train", "training"),
    VALIDATION: ("val", "valid", "validation", "dev"),
    TEST: ("test", "testing"),
}
PART_OF = {word: part for part, words in MEANINGS.items() for word in words}
RULE = (
    f"training takes {' or '.join(MEANINGS[TRAINING])}, validation "
    f"{', '.join(MEANINGS[VALIDATION][:-1])} or {MEANINGS[VALIDATION][-1]}, and no one "
    f"{' or '.join(MEANINGS[TEST])}"
)


def part_of(name: str) -> str | None:
    """What a name such as `Validation` means: train, val or test; None: nothing."""
    return PART_OF.get(name.casefold())


def find_part(root: Path, pattern: str, name: str) -> Path:
    """The folder or file of a part of a data set.

    Args:
        root: of the data set.
        pattern: of its path, with `{}` for the part, such as `images/{}`; without, it
            is the path itself.
        name: of the part, any that means the same.

    Returns:
        What is there under one of the part's names; if nothing is, the path with
        `name`.

    Raises:
        InputError: if two names that mean the same are there.
    """
    candidates = _candidates(root, pattern)
    found = [path for word, path in candidates if part_of(word) == part_of(name)]
    if len(found) > 1:
        others = [each for each in candidates if part_of(each[0]) != part_of(name)]
        beside = f"{_listed(others)} and " if others else ""
        raise InputError(
            f"{root} holds {beside}both {found[0]} and {found[1]}; it must hold one of "
            f"them, as they mean the same part of the data, {part_of(name)}."
        )
    return found[0] if found else root / pattern.format(name)


def warn_of_unused(root: Path, pattern: str, used: list[str]) -> None:
    """Name what lies beside the parts that are used.

    Args:
        root: of the data set.
        pattern: see `find_part`.
        used: the parts that are.
    """
    meant = {part_of(name) for name in used}
    unused = [
        str(path)
        for word, path in _candidates(root, pattern)
        if part_of(word) not in meant and not path.is_file()
    ]
    if unused:
        logger.warning("not used: %s (%s)", ", ".join(unused), RULE)


def class_parts(root: Path, holds_images: Callable[[Path], bool]) -> list[Path] | None:
    """Training and validation folders of a data set of folders of classes.

    Args:
        root: of the data set.
        holds_images: whether images lie directly in a folder: then it is a class.

    Returns:
        Both; None: the folders in it are the classes.

    Raises:
        InputError: if they look like parts, but one is missing or there twice.
    """
    candidates = _candidates(root, "{}")
    parts = [(word, path) for word, path in candidates if part_of(word)]
    split = [(word, path) for word, path in parts if not holds_images(path)]
    meant = {part_of(word) for word, _ in split}
    if TRAINING not in meant and not (split and len(parts) == len(candidates)):
        if len(parts) == len(candidates) and len({part_of(w) for w, _ in parts}) > 1:
            raise InputError(
                f"{root} holds {_listed(parts)}, and images directly in them; put the "
                "images of each class into a folder of its own there."
            )
        return None
    if not {TRAINING, VALIDATION} <= meant:
        whole = next((path for word, path in split if part_of(word) == TRAINING), None)
        held = f" To hold a share out instead, give {whole}." if whole else ""
        missing = "val/ or validation/" if whole else "train/ or training/"
        raise InputError(
            f"{root} holds {_listed(split)} and no {missing}; {RULE}.{held}"
        )
    both = [find_part(root, "{}", name) for name in (TRAINING, VALIDATION)]
    warn_of_unused(root, "{}", [TRAINING, VALIDATION])
    return both


def check_no_parts(folder: Path) -> None:
    """Raise an InputError if a folder that is taken as a whole holds parts."""
    parts = [(word, path) for word, path in _candidates(folder, "{}") if part_of(word)]
    if parts:
        raise InputError(
            f"{folder} holds {_listed(parts)} and no train/ or training/; {RULE}."
        )


def _candidates(root: Path, pattern: str) -> list[tuple[str, Path]]:
    """What the pattern fits, sorted: what stands for the part, and the path."""
    places = PurePosixPath(pattern).parts
    number = next((n for n, place in enumerate(places) if "{}" in place), None)
    if number is None:
        return []
    above, below = root.joinpath(*places[:number]), places[number + 1 :]
    form = re.compile(re.escape(places[number]).replace(r"\{\}", "(.+)"), re.IGNORECASE)
    if not above.is_dir():
        return []
    found = []
    for entry in sorted(above.iterdir()):
        fits = form.fullmatch(entry.name)
        whole = entry.joinpath(*below)
        listed = entry.is_dir() or "." in places[number]
        if fits and listed and not entry.name.startswith(".") and whole.exists():
            found.append((fits[1], whole))
    return found


def _listed(parts: list[tuple[str, Path]]) -> str:
    return ", ".join(f"{path.name}/" for _, path in parts)
