"""The documents' site: it is built, whole, and refused where it would not be."""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import pytest
import yaml

from docs.builder import __main__ as builder
from docs.builder import check, names, pages, settings
from hrnet_tf import InputError, __version__, public
from hrnet_tf.common.config import Component
from hrnet_tf.tasks import OWN, TASKS


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return builder.build(tmp_path_factory.mktemp("site"))


def test_every_page_is_reached_from_the_first(site):
    found, ahead = set(), {(site / "index.html").resolve()}
    while ahead:
        path = ahead.pop()
        found.add(path)
        led = re.findall(r'href="([^"#:]+\.html)', path.read_text(encoding="utf-8"))
        ahead |= {(path.parent / name).resolve() for name in led} - found
    every = {path.resolve() for path in site.rglob("*.html")}
    assert every - found == {(site / "404.html").resolve()}
    assert (site / "deployment" / "tf_serving.html").resolve() in found


def test_a_navigation_leaves_out_what_is_not_there_and_adds_what_it_does_not_name():
    entries = ["index.md", {"Tasks": ["pose.md"]}, {"More": ["zoo.md"]}]
    written = {"index.md": "# A", "zoo.md": "# Zoo", "zoo/pose.md": "", "odd.md": ""}
    assert pages.navigation(entries, written) == [
        "index.md",
        {"More": [{"Zoo": ["zoo.md", "zoo/pose.md"]}]},
        {pages.FURTHER: ["odd.md"]},
    ]


def test_a_page_that_asks_for_what_nothing_makes_is_refused():
    asks = {"a.md": "# A\n\n<!-- made by docs.builder: zoo -->\n"}
    assert pages.fill(asks, {"zoo": lambda: {"": "rows", "zoo/b.md": "# B"}}) == {
        "a.md": "# A\n\nrows\n",
        "zoo/b.md": "# B",
    }
    with pytest.raises(InputError, match="asks for 'zoo'"):
        pages.fill(asks, {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a](no.md)", r"links to no\.md, which is no page"),
        ("[a](../hrnet_tf/cli.py)", "no page of the site and no picture"),
        ("[a](faq.md#no-such)", "anchor does not exist"),
        ("![a](https://elsewhere.org/a.png)", "would be loaded from elsewhere"),
        ('<a href="none.html">a</a>', "none.html is not there"),
    ],
)
def test_what_leads_nowhere_is_refused(tmp_path, monkeypatch, text, told):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A\n\n{text}\n")
    (tmp_path / "docs" / "faq.md").write_text("# Questions\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: a\nnav: [index.md, faq.md]\n")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(pages, "ELSEWHERE", {})
    with pytest.raises(InputError, match=told):
        builder.build(tmp_path / "out", {})


def test_anchors_are_looked_for(tmp_path):
    (tmp_path / "a.html").write_text('<h1 id="x">A</h1><a href="#y">b</a>')
    (tmp_path / "b.html").write_text('<a href="a.html#x">b</a><a href="a.html#z">')
    assert check.problems(tmp_path) == [
        "a.html: #y leads to a heading that is not there",
        "b.html: a.html#z leads to a heading that is not there",
    ]


@dataclass(frozen=True)
class Inner:
    """What is in it.

    And more.
    """

    rate: float = 1e-3  # of learning; None: none
    # Which part.
    part: Component | None = None


@dataclass(frozen=True)
class Outer:
    """All of it."""

    root: str = "???"  # a folder
    sizes: tuple[int, ...] = (1, 2)
    inner: Inner = field(default_factory=lambda: Inner(rate=0.5))


def test_keys_have_their_kind_default_and_comment():
    top, inner = settings.sections(Outer)
    assert (top.name, inner.name, inner.meaning) == ("", "inner", "What is in it.")
    assert top.keys == (
        settings.Key("root", "text", None, "A folder"),
        settings.Key("sizes", "a list (each an integer)", "[1, 2]", ""),
    )
    rate = settings.Key("inner.rate", "a number", "0.5", "Of learning; null: none")
    assert inner.keys[0] == rate
    assert inner.keys[1].meaning == "Which part."
    assert inner.keys[1].kind == f"{settings.COMPONENT} or null"


@dataclass(frozen=True)
class Later(Inner):
    """Another default."""

    rate: float = 2.0


def test_what_is_said_of_a_key_holds_for_another_default_of_it():
    assert settings.meanings(Later) == settings.meanings(Inner)


@pytest.mark.parametrize("task", sorted(OWN))
def test_every_key_and_section_has_a_meaning(task):
    found = list(settings.sections(TASKS[task].config))
    keys = [key for section in found for key in section.keys]
    assert len(keys) > 40
    assert [key.name for key in keys if not key.meaning] == []
    assert [section.name for section in found if not section.meaning] == []


@pytest.mark.parametrize("task", sorted(OWN))
def test_the_page_of_a_task_has_all_its_keys(task, site):
    page = (site / "reference" / "config" / f"{task}.html").read_text(encoding="utf-8")
    for name in _keys(TASKS[task].config()):
        assert f"<code>{name}</code>" in page


def _keys(given, prefix=""):
    for entry in dataclasses.fields(given):
        value, name = getattr(given, entry.name), prefix + entry.name
        if dataclasses.is_dataclass(value) and not isinstance(value, Component):
            yield from _keys(value, f"{name}.")
        else:
            yield name


def test_every_public_name_is_in_the_reference():
    pages_of_names = names.make()
    table = pages_of_names.pop("")
    every = "\n".join(pages_of_names.values())
    for name in set(public.__all__) - {"__version__"}:
        assert f"[`hrnet_tf.{name}`]" in table
        assert f"## {name} {{ #{names.anchor_of(f'hrnet_tf.{name}')} }}" in every
    assert "[`hrnet_tf.optimizers.AdamW`](api/losses.md#" in table


def documented(count: int, *, kind: str = "a") -> int:
    """Count things.

    More of it.

    Args:
        count: of things, at
            least 0.
        kind: of them.

    Returns:
        A number.

    Raises:
        InputError: if not.

    Source: a book.

    Example:
        ```python
        documented(2)
        ```
    """


def test_a_docstring_becomes_markdown():
    assert names.entry("hrnet_tf.documented", documented).split("\n\n") == [
        "## documented { #hrnet_tf-documented }",
        "```python\nhrnet_tf.documented(count: int, *, kind: str = 'a') -> int\n```",
        "Count things.",
        "More of it.",
        "**Args**",
        "* `count`: of things, at least 0.\n* `kind`: of them.",
        "**Returns**",
        "A number.",
        "**Raises**",
        "* `InputError`: if not.",
        "Source: a book.",
        "```python\ndocumented(2)\n```",
    ]


def test_the_citation_is_valid():
    schema = Path(__file__).parent / "fixtures" / "citation" / "schema.json"
    given = yaml.safe_load((pages.ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    jsonschema.Draft7Validator(json.loads(schema.read_text())).validate(given)

    assert given["version"] == __version__
    assert any("1902.09212" in reference["url"] for reference in given["references"])
