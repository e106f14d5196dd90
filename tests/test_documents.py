"""What the documents say is there: names, arguments, commands and files."""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hrnet_tf.arguments import parser
from hrnet_tf.export import decoder

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]
BLOCK = re.compile(r"^```(\w*)(?: [^\n]*)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"(?<![\w/.])(hrnet_tf(?:\.[A-Za-z_]\w*)+)(?![\w/]|\.\w|/)")

# Run where nothing else has imported a part of the package: names and keywords of
# calls, as JSON, to those that are not there.
PROGRAM = """
import inspect, json, sys
import hrnet_tf
wrong = []
for name, keywords in json.loads(sys.argv[1]):
    found = hrnet_tf
    try:
        for part in name.split(".")[1:]:
            found = getattr(found, part)
    except AttributeError as error:
        wrong.append(f"{name}: {error}")
        continue
    if keywords:
        known = inspect.signature(found).parameters
        if not any(x.kind is x.VAR_KEYWORD for x in known.values()):
            wrong += [f"{name}({x}=)" for x in keywords if x not in known]
print(json.dumps(wrong))
"""


def text_of(path):
    return path.read_text(encoding="utf-8")


def python_in(path):
    """Syntax trees of the document's Python: its blocks, and calls in a line."""
    for kind, code in BLOCK.findall(text_of(path)):
        if kind == "python":
            yield ast.parse(code)
    for code in INLINE.findall(BLOCK.sub("", text_of(path))):
        if code.startswith("hrnet_tf.") and "(" in code:
            yield ast.parse(code)


def dotted(node):
    """`a.b.c` of a syntax tree; None: it is no such name."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return owner and f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def names_in(tree):
    """Names in Python code, each with the keywords that it is called with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func):
            yield dotted(node.func), [x.arg for x in node.keywords if x.arg]
        elif isinstance(node, ast.Attribute) and dotted(node):
            yield dotted(node), []


def test_names_in_the_documents_are_there():
    told = [
        found
        for path in DOCUMENTS
        for tree in python_in(path)
        for found in names_in(tree)
        if found[0].startswith("hrnet_tf.")
    ]
    alone = [
        (name, [])
        for path in DOCUMENTS
        for code in INLINE.findall(BLOCK.sub("", text_of(path)))
        for name in NAME.findall(code)
        if not (ROOT / name.replace(".", "/")).exists()
        and not (ROOT / f"{name.replace('.', '/')}.py").exists()
    ]
    assert len(told) > 20
    names = json.dumps([*told, *alone])
    command = [sys.executable, "-c", PROGRAM, names]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(process.stdout.splitlines()[-1]) == []


def test_the_decoder_has_what_the_documents_call():
    trees = [tree for path in DOCUMENTS for tree in python_in(path)]
    found = [name for tree in trees for name, _ in names_in(tree)]
    names = {name.split(".")[1] for name in found if name.startswith("decoder.")}
    assert len(names) > 5
    assert [name for name in names if not hasattr(decoder, name)] == []


def commands():
    for path in DOCUMENTS:
        for kind, code in BLOCK.findall(text_of(path)):
            for line in code.replace("\\\n", " ").splitlines():
                if not kind and line.startswith("hrnet-tf "):
                    yield line


@pytest.mark.parametrize("line", dict.fromkeys(commands()))
def test_commands_in_the_documents_are_taken(line):
    words = shlex.split(line, comments=True)[1:]
    try:
        parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"{line} is not taken")


PLACES = re.compile(r"^(?:configs|hrnet_tf|docs|deploy|tests|benchmarks)/[\w./-]+$")


def test_files_in_the_documents_are_there():
    told = {
        code: path.name
        for path in DOCUMENTS
        for code in INLINE.findall(BLOCK.sub("", text_of(path)))
        if PLACES.match(code)
    }
    assert len(told) > 5
    assert {x: where for x, where in told.items() if not (ROOT / x).exists()} == {}


def test_the_document_of_own_tasks_shows_the_toy_that_is_tested():
    shown = next(iter(BLOCK.findall(text_of(ROOT / "docs" / "own_task.md"))))
    toy = text_of(ROOT / "tests" / "support" / "toy_task.py")
    assert shown == ("python", toy)
    assert len(toy.splitlines()) < 150
