"""Names for results beside those of before: nothing is overwritten unsaid."""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import as_json, read_json

logger = logging.getLogger(__name__)


def free_path(path: Path) -> Path:
    """A path that nothing has yet: the given one, or the first free with a number."""
    return next(each for each in _numbered(path) if not each.exists())


def place_for(target: Path, told_apart_by: Mapping[str, Any]) -> Path:
    """Where results go: to their name, unless other results are there.

    Args:
        target: the JSON file that they would have.
        told_apart_by: entries of that file in which results differ; with the same ones
            the file is written anew, which is said.

    Returns:
        `target`, or the first of `NAME_2.json`, `NAME_3.json`, ... that is free or
        holds the same.
    """
    wanted = json.loads(as_json(told_apart_by))
    for path in _numbered(target):
        if not path.exists():
            if path != target:
                logger.info("%s holds other results; these go to %s", target, path)
            return path
        try:
            there = read_json(path)
        except InputError:
            continue
        if isinstance(there, dict) and all(
            there.get(key) == value for key, value in wanted.items()
        ):
            logger.info("%s of before is written anew", path)
            return path
    raise AssertionError("numbers do not end")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}_{number}{path.suffix}")
