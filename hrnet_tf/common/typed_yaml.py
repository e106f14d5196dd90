"""YAML files and `key=value` overrides into typed, frozen dataclasses.

Where a dataclass asks for text it gets what is written, not what YAML makes of it:
`on`, `010` and `1.0` are names as good as others.
"""

import dataclasses
import difflib
import json
import re
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text
from hrnet_tf.common.text_files import read_text

T = TypeVar("T")

YAML = "tag:yaml.org,2002:"
# What YAML makes of plain words: other things than the text that is written.
NULL = f"{YAML}null"
OTHER_THINGS = {f"{YAML}{kind}" for kind in ("bool", "int", "float")} | {NULL}

# What OmegaConf raises when a value does not fit; TypeError: a mapping for a list.
MISFITS = (OmegaConfBaseException, TypeError)


def read_typed(schema: type[T], path: str | Path) -> T:
    """Read a YAML file into a dataclass; the errors are those of `merge`."""
    return merge(schema, load_yaml(Path(path), schema), where=str(path))


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
            change = _change(override, schema)
        except (OmegaConfBaseException, yaml.YAMLError, RecursionError) as error:
            raise InputError(
                f"override {override!r} cannot be read: {_flat(error)}."
            ) from None
        merged = _merge(merged, change, schema, f"override {override}")
    try:
        _check_lists(OmegaConf.to_container(merged), schema)
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
    text = OmegaConf.to_yaml(OmegaConf.structured(config))
    write_text(path, text)


def differences(old: Any, new: Any) -> list[str]:
    """What changed between two configurations, such as `train.epochs: 2 -> 3`."""
    before, after = flattened(old), flattened(new)
    keys = sorted(before.keys() | after.keys())
    return [
        f"{key}: {before.get(key)} -> {after.get(key)}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def flattened(config: Any) -> dict[str, Any]:
    """The values of a configuration by keys such as `train.epochs`."""
    return _flatten(dataclasses.asdict(config))


def load_yaml(path: Path, schema: type | None = None) -> DictConfig:
    """Read a YAML (or JSON) file of `key: value` lines.

    Args:
        path: the file.
        schema: the dataclass that it is for: what is text in it is read as written.

    Raises:
        InputError: if it is missing or something else.
    """
    if not path.is_file():
        near = [str(other) for other in sorted(path.parent.glob("*.y*ml"))]
        hint = difflib.get_close_matches(str(path), near, n=1, cutoff=0.0)
        raise InputError(
            f"There is no file {path}" + (f"; did you mean {hint[0]}?" if hint else ".")
        )
    text = read_text(path, "YAML")
    try:
        found = _parse(text, schema)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no valid YAML: {_flat(error)}.") from None
    if found is None:
        found = {}
    if not isinstance(found, dict):
        if isinstance(found, list):
            raise InputError(f"{path} must hold `key: value` lines, not a list.")
        raise InputError(
            f"{path} is no valid YAML: it must hold `key: value` lines, not a word."
        )
    try:
        return typing.cast(DictConfig, OmegaConf.create(found))
    except (OmegaConfBaseException, ValueError) as error:
        raise InputError(f"{path} is no valid YAML: {_flat(error)}.") from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML whose numbers are decimal, `1e-3` among them, and that knows no dates."""


_REPLACED = {f"{YAML}int", f"{YAML}timestamp"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in known if tag not in _REPLACED]
    for first, known in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    f"{YAML}int",
    re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    f"{YAML}float",
    re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def _parse(text: str, hint: Any) -> Any:
    """YAML or JSON to plain data, with text where `hint` asks for it."""
    if text.lstrip().startswith("{"):
        try:  # YAML reads JSON's escapes of rarer characters otherwise
            return json.loads(text)
        except json.JSONDecodeError:
            pass
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_keys(node, set())
        return _build(loader, node, hint)
    finally:
        loader.dispose()


def _check_keys(node: yaml.Node, seen: set[int]) -> None:
    """Raise a YAMLError if a key is there twice, or is no word."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _check_keys(child, seen)
        return
    keys: set[str] = set()
    for key, child in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in keys - {"<<"}:
            problem = (
                "a key must be a word"
                if not isinstance(key.value, str)
                else (f"the key {key.value!r} is there twice")
            )
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        keys.add(key.value)
        _check_keys(child, seen)


def _build(loader: Any, node: yaml.Node, hint: Any, listed: bool = False) -> Any:
    """A node as plain data; `listed`: it stands in a list."""
    options = _options(hint)
    if isinstance(node, yaml.MappingNode):
        schema = next(filter(dataclasses.is_dataclass, options), None)
        if schema is not None:
            hints = typing.get_type_hints(schema)
            loader.flatten_mapping(node)
            return {
                key.value: _build(loader, value, hints.get(key.value, Any))
                for key, value in node.value
            }
    elif isinstance(node, yaml.SequenceNode):
        inner = [h for h in options if typing.get_origin(h) is tuple]
        if inner:
            entry = typing.get_args(inner[0])[0]
            return [_build(loader, child, entry, listed=True) for child in node.value]
    elif (
        isinstance(node, yaml.ScalarNode)
        and _is_text(options)
        and not node.style
        and node.tag in OTHER_THINGS
        # Nothing at all is no name, and outside of lists null has a meaning.
        and (node.tag != NULL or (listed and node.value))
    ):
        return node.value
    return loader.construct_object(node, deep=True)


def _check_lists(given: Any, hint: Any, key: str = "") -> None:
    """Raise an InputError if a list of words or numbers holds a list or a mapping."""
    for option in _options(hint):
        if dataclasses.is_dataclass(option) and isinstance(given, dict):
            for name, inner in typing.get_type_hints(option).items():
                _check_lists(given.get(name), inner, f"{key}.{name}" if key else name)
        elif typing.get_origin(option) is tuple and isinstance(given, (list, tuple)):
            nested = [x for x in given if isinstance(x, (dict, list, tuple))]
            if nested and typing.get_args(option)[0] in (str, int, float):
                words = _words(option)
                raise InputError(f"`{key}` must be {words}, got {nested[0]!r} in it.")


def _options(hint: Any) -> tuple[Any, ...]:
    """What a value may be: the members of a union, or its type."""
    members = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if members else (hint,)


def _is_text(options: tuple[Any, ...]) -> bool:
    words = [typing.get_args(h) for h in options if typing.get_origin(h) is Literal]
    literal = any(all(isinstance(word, str) for word in each) for each in words)
    return (str in options or literal) and int not in options


def _change(override: str, schema: type) -> DictConfig:
    """A `key=value` as a configuration with one key."""
    key, _, value = override.partition("=")
    hint = _hint_of(schema, key)
    options = _options(hint)
    plain = value.strip()
    empty = plain in ("", "~", "null", "Null", "NULL")
    if _is_text(options) and not empty and plain[0] not in "'\"":
        built: Any = plain
    else:
        built = _parse(value, hint)
    change = OmegaConf.create()
    OmegaConf.update(change, key, built)
    return change


def _hint_of(schema: Any, key: str) -> Any:
    """The type of a dotted key; anything, if there is no such key."""
    hint = schema
    for name in key.split("."):
        sections = filter(dataclasses.is_dataclass, _options(hint))
        section = next(sections, None)
        hint = typing.get_type_hints(section).get(name, Any) if section else Any
    return hint


def _merge(
    base: DictConfig, change: DictConfig, schema: type, where: str
) -> DictConfig:
    _forget_arguments(base, OmegaConf.to_container(change))
    try:
        return typing.cast(DictConfig, OmegaConf.merge(base, change))
    except MISFITS as error:
        key = str(getattr(error, "full_key", None) or _misfit(base, change))
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
    known = known_keys(schema)
    plain = key.split("[")[0]
    if "." in plain and plain in change:  # not nested, as overrides are
        section, _, name = plain.rpartition(".")
        return f"`{plain}` must be nested: `{name}` goes in the section `{section}`."
    if plain not in known:
        near = difflib.get_close_matches(plain, known, n=1, cutoff=0.0)
        return f"unknown key `{key}`; did you mean `{near[0]}`?"
    return f"`{plain}` must be {known[plain]}, got {OmegaConf.select(change, plain)!r}."


def known_keys(schema: type, prefix: str = "") -> dict[str, str]:
    """Every key and section of a dataclass, by its full name: its type in words."""
    keys: dict[str, str] = {}
    hints = typing.get_type_hints(schema)
    for entry in dataclasses.fields(schema):
        name, hint = prefix + entry.name, hints[entry.name]
        keys[name] = _words(hint)
        for inner in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(inner):
                keys |= known_keys(typing.cast(type, inner), f"{name}.")
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
    text = str(error).replace('in "<unicode string>", ', "")
    return " ".join(text.split()) or "it is nested too deeply"
