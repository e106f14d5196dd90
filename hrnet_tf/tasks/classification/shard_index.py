"""The index of shards, `index.json`: what they hold, checked when it is read."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_json, write_json

INDEX = "index.json"
INDEX_FORMAT = "hrnet_tf image shards 1"
PARTS = ("train", "val")
KEYS = {"format", "classes", "class_counts", "settings", "shards"}
SEAL = "seal"  # SHA-256 of the others; indices of before have none
ADVICE = "the same `hrnet-tf shard` command again writes it and the shards anew"


def read_index(root: Path) -> dict[str, Any]:
    """What `hrnet-tf shard` wrote about its shards, finished or not.

    Raises:
        InputError: if it cannot be read, is damaged or of another kind.
    """
    path = root / INDEX
    try:
        index = read_json(path)
    except InputError as error:
        text = str(error).removeprefix(f"{path} ").rstrip(".")
        raise InputError(f"{path} cannot be read ({text}); {ADVICE}.") from None
    if not isinstance(index, dict) or index.get("format") != INDEX_FORMAT:
        raise InputError(
            f"{path} does not say that its format is {INDEX_FORMAT!r}; give a folder "
            "that `hrnet-tf shard` has written, or one without this file."
        )
    seal = index.pop(SEAL, None)
    if problem := _problem(index):
        raise InputError(f"{path} is damaged: {problem}; {ADVICE}.")
    if seal is not None and seal != _seal_of(index):
        raise InputError(f"{path} is damaged: its checksum is another one; {ADVICE}.")
    return index


def write_index(root: Path, index: dict[str, Any]) -> None:
    """Write an index, with its checksum."""
    write_json(root / INDEX, {**index, SEAL: _seal_of(index)}, indent=1)


def _seal_of(index: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()


def _problem(index: dict[str, Any]) -> str | None:
    """What is wrong with an index; None: nothing."""
    if index.keys() != KEYS:
        return f"its keys must be {', '.join(sorted(KEYS))}"
    classes = index["classes"]
    if not isinstance(classes, list) or not all(isinstance(n, str) for n in classes):
        return "`classes` must be names"
    if len(classes) < 2 or len(set(classes)) < len(classes):
        return "`classes` must be at least two names, each once"
    if not isinstance(index["settings"], dict):
        return "`settings` must be a mapping"
    for key in ("class_counts", "shards"):
        if not isinstance(index[key], dict) or index[key].keys() != set(PARTS):
            return f"`{key}` must have {' and '.join(PARTS)}"
    problems = (_problem_of_part(index, part, len(classes)) for part in PARTS)
    return next(filter(None, problems), None)


def _problem_of_part(index: dict[str, Any], part: str, classes: int) -> str | None:
    counts, shards = index["class_counts"][part], index["shards"][part]
    if not isinstance(counts, list) or not all(_is_count(n, 0) for n in counts):
        return f"`class_counts` of {part} must be whole numbers"
    if len(counts) != classes:
        return f"`class_counts` of {part} must have a number for each class"
    if not isinstance(shards, list) or not shards:
        return f"`shards` of {part} must be a list of shards"
    for number, shard in enumerate(shards):
        name = f"{part}-{number:05d}-of-{len(shards):05d}.tfrecord"
        if problem := _problem_of_shard(shard, name):
            return problem
    if sum(shard["records"] for shard in shards) != sum(counts):
        return f"`records` and `class_counts` of {part} do not agree"
    return None


def _problem_of_shard(shard: Any, name: str) -> str | None:
    if not isinstance(shard, dict) or shard.get("file") != name:
        return f"there is no entry of {name} in its place"
    if shard.keys() != {"file", "records", "bytes", "sha256"}:
        return f"the entry of {name} must have `file`, `records`, `bytes` and `sha256`"
    if not _is_count(shard["records"], 1):
        return f"`records` of {name} must be a whole number"
    size, checksum = shard["bytes"], shard["sha256"]
    if size is None and checksum is None:  # not written yet
        return None
    if not _is_count(size, 1) or not re.fullmatch("[0-9a-f]{64}", str(checksum)):
        return f"`bytes` and `sha256` of {name} must be those of a file"
    return None


def _is_count(value: Any, least: int) -> bool:
    return type(value) is int and value >= least
