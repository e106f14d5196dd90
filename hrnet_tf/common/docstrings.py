"""Sections of docstrings: their entries, and others in their place."""

import inspect
import re
from collections.abc import Iterable

ENTRY = re.compile(r"^ {4}(?=\S)", re.MULTILINE)


def entries(docstring: str, title: str = "Args") -> dict[str, str]:
    """The entries of a section by name, each as it stands there.

    Args:
        docstring: as the project writes them, with or without their indentation.
        title: of the section.

    Raises:
        ValueError: if there is no such section.
    """
    section = _section(inspect.cleandoc(docstring), title)[1]
    found = [piece.rstrip() for piece in ENTRY.split(section)[1:]]
    return {entry.partition(":")[0]: entry for entry in found}


def with_entries(docstring: str, told: Iterable[str], title: str = "Args") -> str:
    """A docstring, without its indentation, that has others in place of its entries.

    Raises:
        ValueError: if there is no such section.
    """
    docstring = inspect.cleandoc(docstring)
    start, end = _section(docstring, title).span(1)
    text = "".join(f"    {entry}\n" for entry in told)
    return f"{docstring[:start]}{text}\n{docstring[end:]}".rstrip()


def _section(docstring: str, title: str) -> re.Match[str]:
    pattern = rf"^{title}:\n(.*?)(?=^\S|\Z)"
    found = re.search(pattern, docstring, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"There is no section `{title}` in {docstring!r}.")
    return found
