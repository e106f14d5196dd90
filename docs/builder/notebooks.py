"""Notebooks as pages: what is written, what is run, and what came of it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PICTURES = ("image/png", "image/jpeg")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def page_of(path: Path) -> str:
    """A notebook as Markdown, with the outputs that are kept in it.

    Args:
        path: of the `.ipynb` file.
    """
    book = json.loads(path.read_text(encoding="utf-8"))
    head, *cells = [part for cell in book["cells"] for part in _parts(cell)]
    told = f"*`docs/notebooks/{path.name}`, with what came of it.*"
    return "\n\n".join([head, told, *cells]) + "\n"


def _parts(cell: Mapping[str, Any]) -> Iterator[str]:
    """A cell, and below it each of its outputs."""
    source = "".join(cell["source"]).rstrip()
    if cell["cell_type"] != "code":
        yield source
        return
    yield _fenced("python", source)
    for output in cell["outputs"]:
        data = output.get("data", {})
        shown = next((kind for kind in PICTURES if kind in data), None)
        if shown:
            encoded = "".join(data[shown]).replace("\n", "")
            source = f"data:{shown};base64,{encoded}"
            yield f'<img alt="what the code above shows" src="{source}">'
        else:
            text = "".join(output.get("text", data.get("text/plain", ())))
            yield _fenced("text", ESCAPES.sub("", text).rstrip())


def _fenced(kind: str, text: str) -> str:
    return f"```{kind}\n{text}\n```"
