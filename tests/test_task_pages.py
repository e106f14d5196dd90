"""The pages of the tasks: their examples are files that work and print what is said."""

import doctest
from pathlib import Path

import pytest

from support.documents import blocks, commands, run_python, said_by

PAGES = sorted((Path(__file__).parents[1] / "docs" / "tasks").glob("*.md"))


def test_every_task_has_a_page():
    assert [page.stem for page in PAGES] == [
        "bottom_up",
        "classification",
        "detection",
        "landmarks",
        "panoptic",
        "pose",
        "regression",
        "segmentation",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_print_what_is_said(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checker, compared = doctest.OutputChecker(), 0
    for block in blocks(page):
        if block.title:
            file = Path(block.title)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code)
            if block.kind == "python":
                run_python(block, page, {})
        elif block.kind == "console":
            for command, expected in commands(block.code):
                said = said_by(command)
                same = checker.check_output(expected, said, doctest.ELLIPSIS)
                assert same, f"{page.name}, line {block.line}: {command}{said}"
                compared += 1
    assert compared > 2
