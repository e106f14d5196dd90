"""The reference of configuration keys, made of the dataclasses that read them."""

import ast
import dataclasses
import inspect
import io
import json
import re
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrnet_tf.common.config import Component
from hrnet_tf.common.typed_yaml import known_keys
from hrnet_tf.tasks import OWN, TASKS

MUST = "???"  # what OmegaConf calls a key that must be given
COMPONENT = "a part by its import path (`class_path`, `arguments`)"


@dataclass(frozen=True)
class Key:
    """A key of a configuration.

    Attributes:
        name: with its sections, such as `train.epochs`.
        kind: what may be given, in words.
        default: as YAML says it; None: it must be given.
        meaning: what it does; "": nothing is said about it.
    """

    name: str
    kind: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Section:
    """Keys that stand together.

    Attributes:
        name: with the sections around it, such as `data.augmentation`; "": the top.
        meaning: its first line.
        keys: without those of sections in it.
    """

    name: str
    meaning: str
    keys: tuple[Key, ...]


def sections(schema: type, name: str = "") -> Iterator[Section]:
    """The sections of a configuration, outer ones first.

    Args:
        schema: a dataclass, each of whose fields has a default.
        name: of the section that it describes.
    """
    yield from _sections(schema(), name, known_keys(schema, f"{name}." if name else ""))


def meanings(schema: type) -> dict[str, str]:
    """What a dataclass says of its fields, by their names.

    That is the comment above a field and the one behind it; of a field that is given
    another default in a class that derives from the one it stands in: what is said
    there, unless the derived class says something of its own.
    """
    found: dict[str, str] = {}
    for owner in reversed(schema.__mro__):
        if dataclasses.is_dataclass(owner):
            told = _told_of(owner)
            found |= {name: text for name, text in told.items() if text}
    return found


def make() -> Mapping[str, str]:
    """The page of each task, and a table of them."""
    pages = {}
    rows = ["| Task | Keys | Its page |", "|---|---|---|"]
    for name in sorted(OWN, key=list(TASKS).index):
        found = list(sections(TASKS[name].config))
        count = sum(len(section.keys) for section in found)
        rows.append(f"| `{name}` | {count} | [all of them](config/{name}.md) |")
        pages[f"reference/config/{name}.md"] = page(name, found)
    return {"": "\n".join(rows), **pages}


def page(task: str, found: list[Section]) -> str:
    """The page of one task."""
    lines = ["---\nhide: [toc]\n---\n", f"# Keys of `{task}`", ""]
    shipped = f"hrnet-tf configs {task}/first_try"
    if not (Path(__file__).parents[2] / "configs" / task / "first_try.yaml").exists():
        shipped = "hrnet-tf configs"
    lines += [
        f"What a configuration with `task: {task}` may say. Each key can be given on "
        f"the command line too, as `key=value`; `{shipped}` gives a file to begin "
        "from.",
        "",
    ]
    for section in found:
        if section.name:
            lines += [f"## {section.name}", "", section.meaning, ""]
        if not section.keys:
            continue
        lines += ["| Key | May be | Default | Meaning |", "|---|---|---|---|"]
        for key in section.keys:
            default = "must be given" if key.default is None else f"`{key.default}`"
            cells = [f"`{key.name}`", key.kind, default, key.meaning]
            escaped = " | ".join(cell.replace("|", "&#124;") for cell in cells)
            lines.append(f"| {escaped} |")
        lines.append("")
    return "\n".join(lines)


def _sections(given: Any, name: str, kinds: Mapping[str, str]) -> Iterator[Section]:
    prefix = f"{name}." if name else ""
    told = meanings(type(given))
    inner, keys = [], []
    for entry in dataclasses.fields(given):
        full, value = prefix + entry.name, getattr(given, entry.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, Component):
            inner.append((full, value))
            continue
        default = None if value == MUST else _in_yaml(value)
        kind = kinds[full].replace("a section with class_path, arguments", COMPONENT)
        keys.append(Key(full, kind, default, told.get(entry.name, "")))
    first = (inspect.getdoc(type(given)) or "").partition("\n\n")[0]
    yield Section(name, " ".join(first.split()), tuple(keys))
    for full, value in inner:
        yield from _sections(value, full, kinds)


def _in_yaml(value: Any) -> str:
    """A default as a file would say it, in one line."""
    if isinstance(value, Component):
        return _in_yaml(dataclasses.asdict(value))
    if isinstance(value, dict):
        inner = (f"{key}: {_in_yaml(each)}" for key, each in value.items())
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_in_yaml, value))}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value)


def _told_of(owner: type) -> dict[str, str]:
    """The comments on the fields of a class itself, by their names; "": none."""
    source = textwrap.dedent(inspect.getsource(owner))
    comments = _comments(source)
    lines = source.splitlines()
    told = {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        above: list[str] = []
        line = node.lineno - 1
        while line in comments and lines[line - 1].lstrip().startswith("#"):
            above.insert(0, comments[line])
            line -= 1
        numbers = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        behind = [comments[number] for number in numbers if number in comments]
        told[node.target.id] = _sentence(" ".join(above), " ".join(behind))
    return told


def _comments(source: str) -> dict[int, str]:
    """The comments of a text, by the numbers of their lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = {}
    for token in tokens:
        text = token.string.lstrip("# ")
        if token.type == tokenize.COMMENT and not text.startswith("noqa"):
            found[token.start[0]] = text
    return found


def _sentence(above: str, behind: str) -> str:
    """One text of what is said above a field and behind it."""
    text = re.sub(r"\bNone\b", "null", f"{above} {behind}".strip())
    return text[:1].upper() + text[1:]
