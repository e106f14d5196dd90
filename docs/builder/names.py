"""The reference of the Python API, made of signatures and docstrings."""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import keras

# The pages, each with its title and what the modules of its objects are called; the
# last takes the rest.
GROUPS = {
    "networks": ("Networks", r"\.network$|\.networks\."),
    "losses": ("Losses, metrics and optimizers", r"\.(losses|metrics|optimizers)$"),
    "answers": (
        "Predictors, answers and pictures",
        r"\.(predictor|result|drawing|loading|sources|preprocess|heatmaps)$"
        r"|\.images\.files$|_set$|\.classes$|\.channels$",
    ),
    "work": ("Training, weights, exports and own tasks", r""),
}
# Modules whose names stand beside those of `import hrnet_tf`.
BESIDE = ("losses", "optimizers")
SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Examples?):\n", re.M)
ENTRY = re.compile(r"^(\*{0,2}[\w.]+(?:, [\w.]+)*): ", re.M)
WIDTH = 80


def make() -> Mapping[str, str]:
    """The pages, and a table of all names."""
    grouped: dict[str, list[tuple[str, Any]]] = {key: [] for key in GROUPS}
    rows = ["| Name | What it is |", "|---|---|"]
    for name, found in public():
        page = group_of(found)
        grouped[page].append((name, found))
        anchor = anchor_of(name)
        first = _plain_first(found)
        rows.append(f"| [`{name}`](api/{page}.md#{anchor}) | {first} |")
    pages = {}
    for key, (title, _) in GROUPS.items():
        told = "\n\n".join(entry(name, found) for name, found in grouped[key])
        pages[f"reference/api/{key}.md"] = f"# {title}\n\n{told}\n"
    return {"": "\n".join(rows), **pages}


def public() -> Iterator[tuple[str, Any]]:
    """Every public name with its object, those of `import hrnet_tf` first."""
    package = importlib.import_module("hrnet_tf.public")
    shown = set()
    for name in package.__all__:
        found = getattr(package, name)
        if callable(found):
            shown.add(id(found))
            yield f"hrnet_tf.{name}", found
    for part in BESIDE:
        module = importlib.import_module(f"hrnet_tf.{part}")
        for name in getattr(module, "__all__", ()):
            found = getattr(module, name)
            if id(found) not in shown:
                yield f"hrnet_tf.{part}.{name}", found


def group_of(found: Any) -> str:
    """The page that tells of an object."""
    if _is_of_keras(found):
        return "losses"
    place = found.__module__
    return next(key for key, (_, form) in GROUPS.items() if re.search(form, place))


def anchor_of(name: str) -> str:
    """Of a name's heading."""
    return name.replace(".", "-").lower()


def entry(name: str, found: Any) -> str:
    """What is told of a name: its signature, its docstring, and its methods."""
    pieces = [
        f"## {name.removeprefix('hrnet_tf.')} {{ #{anchor_of(name)} }}",
        f"```python\n{signature(name, found)}\n```",
        prose(inspect.getdoc(found) or ""),
    ]
    for method, function, kind in _methods(found):
        doc = inspect.getdoc(function) or ""
        heading = f"### {name.rpartition('.')[2]}.{method}"
        pieces.append(f"{heading} {{ #{anchor_of(name)}-{method.replace('_', '-')} }}")
        if kind != "property":
            pieces.append(f"```python\n{signature(method, function)}\n```")
        pieces.append(prose(doc))
    return "\n\n".join(pieces)


def signature(name: str, found: Any) -> str:
    """A call of an object, as one would write its signature."""
    if inspect.isclass(found) and issubclass(found, Exception):
        return name
    told = inspect.signature(found)
    words = []
    star = False
    for parameter in told.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            words.append("*")
            star = True
        star |= parameter.kind is parameter.VAR_POSITIONAL
        words.append(_parameter(parameter))
    answer = told.return_annotation
    arrow = "" if answer is told.empty else f" -> {_annotation(answer)}"
    if inspect.isclass(found):
        arrow = ""
    line = f"{name}({', '.join(words)}){arrow}"
    if len(line) <= WIDTH:
        return line
    inner = "".join(f"    {word},\n" for word in words)
    return f"{name}(\n{inner}){arrow}"


def prose(docstring: str) -> str:
    """A docstring as Markdown; entries of its sections become lists."""
    pieces = SECTION.split(docstring)
    told = [pieces[0].strip()]
    for title, text in zip(pieces[1::2], pieces[2::2], strict=True):
        inside, outside = _indented(text)
        if title.startswith("Example"):
            told.append(inside)
        else:
            told += [f"**{title}**", _entries(inside)]
        told.append(outside)
    return "\n\n".join(piece for piece in told if piece)


def _indented(text: str) -> tuple[str, str]:
    """The indented lines that a section begins with, and what follows them."""
    lines = text.splitlines()
    ends = (i for i, line in enumerate(lines) if line and not line.startswith(" "))
    end = next(ends, len(lines))
    return inspect.cleandoc("\n".join(lines[:end])), "\n".join(lines[end:]).strip()


def _entries(text: str) -> str:
    """A section's entries as a list; text without entries stays as it is."""
    if not ENTRY.match(text):
        return text
    pieces = ENTRY.split(text)
    items = zip(pieces[1::2], pieces[2::2], strict=True)
    return "\n".join(f"* `{name}`: {' '.join(told.split())}" for name, told in items)


def _methods(found: Any) -> Iterator[tuple[str, Any, str]]:
    """Public methods and properties of a class that this package wrote and tells of.

    Of losses, metrics and optimizers none: Keras calls them, as it documents.
    """
    if not inspect.isclass(found) or _is_of_keras(found):
        return
    for attribute in inspect.classify_class_attrs(found):
        name, kind = attribute.name, attribute.kind
        ours = attribute.defining_class.__module__.startswith("hrnet_tf")
        if not ours or name.startswith("_") or kind == "data":
            continue
        if isinstance(attribute.object, cached_property):
            kind = "property"
        if attribute.object.__doc__:
            yield name, getattr(found, name), kind


def _is_of_keras(found: Any) -> bool:
    """Whether an object is a kind of loss, metric or optimizer."""
    kinds = (keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
    return inspect.isclass(found) and issubclass(found, kinds)


def _plain_first(found: Any) -> str:
    first = (inspect.getdoc(found) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "&#124;")


def _parameter(parameter: inspect.Parameter) -> str:
    stars: dict[Any, str] = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    word = stars.get(parameter.kind, "") + parameter.name
    if parameter.annotation is not parameter.empty:
        word += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        default = repr(parameter.default)
        word += f" = {default if '<' not in default and len(default) < 60 else '...'}"
    return word


def _annotation(annotation: Any) -> str:
    text = inspect.formatannotation(annotation)
    if isinstance(annotation, str):
        text = annotation
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text.replace("NoneType", "None"))
