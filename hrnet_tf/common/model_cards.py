"""Model cards: README.md as Hugging Face reads it, YAML between dashes in front."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

logger = logging.getLogger(__name__)

NAME = "README.md"
UNKNOWN = "unknown"  # of a licence: Hugging Face's word too
# Licences that Hugging Face knows by these names; others are `other` there.
LICENSES = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", UNKNOWN)
_MARK = re.compile(r"\n<!-- written by hrnet_tf, ([0-9a-f]{64}) -->\n\Z")


def document(front: Mapping[str, Any], title: str, sections: Mapping[str, str]) -> str:
    """A whole card; the same of the same.

    Args:
        front: what the YAML in front says.
        title: of the card.
        sections: their texts by their titles; `""` stands in front of all others, and
            empty ones are left out.

    Returns:
        The text; its last line tells whether it was changed, see `is_replaceable`.
    """
    parts = [f"---\n{yaml.safe_dump(dict(front), sort_keys=False)}---", f"# {title}"]
    for name, text in sections.items():
        if text:
            parts.append(f"## {name}\n\n{text}" if name else text)
    body = "\n\n".join(parts) + "\n"
    return f"{body}\n<!-- written by hrnet_tf, {_digest(body)} -->\n"


def license_of(name: str | None) -> dict[str, str]:
    """What the front says of a licence, an SPDX name; None: nobody has said one."""
    known = (name or UNKNOWN).lower()
    if known in LICENSES:
        return {"license": known}
    return {"license": "other", "license_name": str(name)}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(x) for x in line)} |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"* {line}" for line in lines)


def is_replaceable(path: Path) -> bool:
    """Whether a card may be written: none is there, or one that nobody has changed."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # no file, or no text of ours
        return False
    mark = _MARK.search(text)
    return mark is not None and _digest(text[: mark.start()]) == mark[1]


def check_replaceable(path: Path) -> bool:
    """The same, and say so if it may not."""
    if is_replaceable(path):
        return True
    logger.info("%s is not as this program has written it, and is left alone", path)
    return False


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
