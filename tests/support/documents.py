"""Code blocks of documents: what they hold, and what becomes of them when run."""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from hrnet_tf import cli

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"```(?P<kind>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        kind: of what stands in it, such as `python`; "": nothing is said.
        title: the file that it shows; "": none.
        code: the text.
        reason: why it is not run; "": it is.
        section: the heading that it stands under.
        line: of the document that it begins in, from 1.
    """

    kind: str
    title: str
    code: str
    reason: str
    section: str
    line: int


def blocks(path):
    """All blocks of a document."""
    text = Path(path).read_text(encoding="utf-8")
    heads = [(match.start(), match[1]) for match in SECTION.finditer(text)]
    found = []
    for match in BLOCK.finditer(text):
        above = [name for start, name in heads if start < match.start()]
        line = text.count("\n", 0, match.start("code")) + 1
        found.append(
            Block(
                match["kind"],
                match["title"] or "",
                match["code"],
                match["reason"] or "",
                above[-1] if above else "",
                line,
            )
        )
    return found


def run_python(block, path, names):
    """Run a block as it stands; names of earlier ones are known."""
    code = compile("\n" * (block.line - 1) + block.code, str(path), "exec")
    exec(code, names)


def commands(code):
    """Commands of a console, `$ ` before each, and what they print."""
    found = []
    for line in code.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif found[-1][0].endswith("\\\n"):
            found[-1][0] = found[-1][0][:-2] + line
        else:
            found[-1][1] += line
    return [tuple(each) for each in found]


def said_by(command):
    """What a command of ours says, on both streams, in the order of saying."""
    program, *words = shlex.split(command)
    assert program == "hrnet-tf"
    said = io.StringIO()
    out, errors = contextlib.redirect_stdout(said), contextlib.redirect_stderr(said)
    with out, errors, contextlib.suppress(SystemExit):
        cli.main(words)
    return said.getvalue()
