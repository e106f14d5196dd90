"""YAML files and `key=value` overrides into typed, frozen dataclasses."""

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from hrnet_tf.errors import InputError

T = TypeVar("T")

# What OmegaConf raises when a value does not fit; TypeError: a mapping for a list.
MISFITS = (OmegaConfBaseException, TypeError)


def read_typed(schema: type[T], path: str | Path) -> T:
    """Read a YAML file into a dataclass; the errors are those of `merge`."""
    return merge(schema, load_yaml(Path(path)), where=str(path))


def merge(
    schema: type[T], given: Any, overrides: Sequence[str] = (), *, where: str
) -> T:
    """Fill a dataclass from a mapping and overrides.

    Args:
        schema: the dataclass.
        given: what a file says.
        overrides: `key=value` pairs that win over the file.
        where: names the file in errors.

    Raises:
        InputError: if a key is unknown, missing or of another type; the text names the
            file or the override, the key, and the nearest valid one.
    """
    merged = _merge(OmegaConf.structured(schema), given, schema, where)
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals or not key:
            raise InputError(
                f"{override!r} is no setting; write key=value, such as train.epochs=20."
            )
        try:
            change = OmegaConf.from_dotlist([override])
        except (OmegaConfBaseException, yaml.YAMLError) as error:
            raise InputError(
                f"override {override!r} cannot be read: {_flat(error)}."
            ) from None
        merged = _merge(merged, change, schema, f"override {override}")
    try:
        missing = sorted(OmegaConf.missing_keys(merged))
        made = None if missing else OmegaConf.to_object(merged)
    except InputError as error:  # from the dataclass's own checks
        raise InputError(f"{_blamed(error, overrides, where)}: {error}") from None
    except OmegaConfBaseException as error:  # a reference such as ${seed}
        reason = str(error).splitlines()[0]
        raise InputError(f"{where}: `{error.full_key}`: {reason}.") from None
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise InputError(
            f"{where}: {names} must be set, in the file or as {missing[0]}=VALUE."
        )
    return typing.cast(T, made)


def write_config(config: Any, path: str | Path) -> None:
    """Write a configuration, defaults and all, as YAML."""
    Path(path).write_text(OmegaConf.to_yaml(OmegaConf.structured(config)))


def differences(old: Any, new: Any) -> list[str]:
    """What changed between two configurations, such as `train.epochs: 2 -> 3`."""
    before, after = _flatten(dataclasses.asdict(old)), _flatten(dataclasses.asdict(new))
    keys = sorted(before.keys() | after.keys())
    return [
        f"{key}: {before.get(key)} -> {after.get(key)}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def load_yaml(path: Path) -> DictConfig:
    """Read a YAML file of `key: value` lines.

    Raises:
        InputError: if it is missing or something else.
    """
    if not path.is_file():
        near = [str(other) for other in sorted(path.parent.glob("*.y*ml"))]
        hint = difflib.get_close_matches(str(path), near, n=1, cutoff=0.0)
        raise InputError(
            f"There is no file {path}" + (f"; did you mean {hint[0]}?" if hint else ".")
        )
    try:
        loaded = OmegaConf.load(path)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, OSError) as error:
        raise InputError(f"{path} is no valid YAML: {_flat(error)}.") from None
    if not isinstance(loaded, DictConfig):
        raise InputError(f"{path} must hold `key: value` lines, not a list.")
    return loaded


def _merge(
    base: DictConfig, change: DictConfig, schema: type, where: str
) -> DictConfig:
    _forget_arguments(base, OmegaConf.to_container(change))
    try:
        return typing.cast(DictConfig, OmegaConf.merge(base, change))
    except MISFITS as error:
        key = getattr(error, "full_key", None) or _misfit(base, change)
        raise InputError(f"{where}: {_explain(key, change, schema)}") from None


def _blamed(error: InputError, overrides: Sequence[str], where: str) -> str:
    """The overrides of keys that a dataclass's own check names; else the file."""
    named = re.findall(r"`([^`]+)`", str(error))
    guilty = [x for x in overrides if _concerns(x.partition("=")[0], named)]
    return f"override {', '.join(guilty)}" if guilty else where


def _concerns(key: str, named: Sequence[str]) -> bool:
    """Whether one of the names is a key, lies in or around it, or is its last part."""
    return any(
        f"{name}.".startswith(f"{key}.")
        or key.startswith((f"{name}.", f"{name}["))
        or key.endswith(f".{name}")
        for name in named
    )


def _forget_arguments(base: DictConfig, change: Any) -> None:
    """Drop the arguments of every class that another class takes the place of."""
    for key, new in change.items():
        old = base.get(key) if isinstance(new, dict) else None
        if not isinstance(old, DictConfig):
            continue
        if "arguments" in old and new.get("class_path", old.class_path) != (
            old.class_path
        ):
            with read_write(old):
                old.arguments = {}
        _forget_arguments(old, new)


def _misfit(base: DictConfig, change: DictConfig) -> str:
    """The first key that does not merge by itself, for errors that name none."""
    for key, value in _flatten(OmegaConf.to_container(change)).items():
        alone = OmegaConf.create()
        OmegaConf.update(alone, key, value)
        try:
            OmegaConf.merge(base, alone)
        except MISFITS:
            return key
    return str(next(iter(change), ""))


def _explain(key: str, change: DictConfig, schema: type) -> str:
    """What is wrong with a key: it is unknown, or its value is of another type."""
    known = _known_keys(schema)
    plain = key.split("[")[0]
    if "." in plain and plain in change:  # not nested, as overrides are
        section, _, name = plain.rpartition(".")
        return f"`{plain}` must be nested: `{name}` goes in the section `{section}`."
    if plain not in known:
        near = difflib.get_close_matches(plain, known, n=1, cutoff=0.0)
        return f"unknown key `{key}`; did you mean `{near[0]}`?"
    return f"`{plain}` must be {known[plain]}, got {OmegaConf.select(change, plain)!r}."


def _known_keys(schema: type, prefix: str = "") -> dict[str, str]:
    """Every key and section of a dataclass, with its type in words."""
    keys: dict[str, str] = {}
    hints = typing.get_type_hints(schema)
    for entry in dataclasses.fields(schema):
        name, hint = prefix + entry.name, hints[entry.name]
        keys[name] = _words(hint)
        for inner in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(inner):
                keys |= _known_keys(typing.cast(type, inner), f"{name}.")
    return keys


def _words(hint: Any) -> str:
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
    names |= {type(None): "null", Any: "anything"}
    if hint in names:
        return names[hint]
    if dataclasses.is_dataclass(hint):
        keys = (entry.name for entry in dataclasses.fields(hint))
        return f"a section with {_listed(keys)}"
    options = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return f"one of {_listed(options)}"
    if typing.get_origin(hint) is tuple:
        count = "" if Ellipsis in options else f" of length {len(options)}"
        return f"a list{count} (each {_words(options[0])})"
    if typing.get_origin(hint) is dict:
        return "a mapping"
    return " or ".join(map(_words, options))


def _listed(items: Iterable[Any]) -> str:
    return ", ".join(map(str, items))


def _flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict) or not tree:
        return {prefix: list(tree) if isinstance(tree, tuple) else tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())
