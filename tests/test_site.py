"""The documents' site: it is built, whole, and refused where it would not be."""

import re

import pytest

from docs.builder import __main__ as builder
from docs.builder import check, pages
from hrnet_tf import InputError


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
