"""The pages as Zensical gets them: copied, filled in, with links that hold there."""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docs.builder.notebooks import page_of
from hrnet_tf.common.errors import InputError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Pages that lie elsewhere in the repository, by what they are in the site.
ELSEWHERE = {
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "deployment/tf_serving.md": "deploy/tf_serving/README.md",
}
BESIDE = (".png", ".jpg", ".svg", ".css")  # what pages show, and how
FURTHER = "Further pages"
PLACE = re.compile(r"^<!-- made by docs\.builder: (\w+) -->$", re.MULTILINE)
FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?(\))")

Maker = Callable[[], Mapping[str, str]]


def collect() -> dict[str, str]:
    """The hand-written pages by their paths in the site, with links that hold there.

    Notebooks are pages too.

    Raises:
        InputError: if a link leads to a file that is no page.
    """
    sources = {
        path.relative_to(DOCS).as_posix(): path
        for path in sorted(DOCS.rglob("*.md"))
        if "builder" not in path.relative_to(DOCS).parts
    }
    sources |= {
        path.relative_to(DOCS).with_suffix(".md").as_posix(): path
        for path in sorted(DOCS.rglob("*.ipynb"))
    }
    sources |= {name: ROOT / place for name, place in ELSEWHERE.items()}
    names = {path.resolve(): name for name, path in sources.items()}
    names[ROOT / "README.md"] = "index.md"
    return {name: _linked(path, name, names) for name, path in sources.items()}


def fill(pages: dict[str, str], makers: Mapping[str, Maker]) -> dict[str, str]:
    """Pages with what is made in the places that ask for it.

    A line `<!-- made by docs.builder: NAME -->` stands for the text `""` of what the
    maker NAME gives; its other texts are pages of their own, by their paths.

    Raises:
        InputError: if a page asks for what nothing makes.
    """
    filled = dict(pages)
    for name, text in pages.items():
        for asked in PLACE.findall(text):
            if asked not in makers:
                raise InputError(
                    f"docs/{name} asks for {asked!r}, which docs.builder does not "
                    f"make; it makes {', '.join(makers)}."
                )
            made = dict(makers[asked]())
            text = text.replace(f"<!-- made by docs.builder: {asked} -->", made.pop(""))
            filled |= made
        filled[name] = text
    return filled


def navigation(entries: list[Any], pages: Mapping[str, str]) -> list[Any]:
    """A navigation of the pages that there are; those it does not name come last.

    Pages of a folder beside a named page, such as `zoo/` beside `zoo.md`, that are not
    named themselves follow it.
    """
    named = set(_leaves(entries))
    beside: dict[str, list[str]] = {}
    rest = []
    for name in sorted(set(pages) - named):
        owner = f"{os.path.dirname(name)}.md"
        if owner in named and owner in pages:
            beside.setdefault(owner, []).append(name)
        else:
            rest.append(name)
    found = _present(entries, pages, beside)
    return [*found, {FURTHER: rest}] if rest else found


def write(pages: Mapping[str, str], folder: Path) -> None:
    """Write pages, and copy the pictures beside the hand-written ones."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in pages.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for path in DOCS.rglob("*"):
        if path.suffix in BESIDE:
            target = folder / path.relative_to(DOCS)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _linked(path: Path, name: str, names: Mapping[Path, str]) -> str:
    """A page's text with links from its place in the site."""

    def lead(found: re.Match[str]) -> str:
        before, target, anchor, after = found.groups()
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        place = (path.parent / target).resolve()
        if place in names:
            there = os.path.relpath(names[place], os.path.dirname(name) or ".")
            return f"{before}{there}{anchor or ''}{after}"
        if place.suffix in BESIDE and place.is_file() and place.is_relative_to(DOCS):
            there = place.relative_to(DOCS).as_posix()
            there = os.path.relpath(there, os.path.dirname(name) or ".")
            return f"{before}{there}{after}"
        raise InputError(
            f"{path.relative_to(ROOT)} links to {target}, which is no page of the site "
            "and no picture below docs/: link to a page, or write the file's path as "
            "code."
        )

    notebook = path.suffix == ".ipynb"
    text = page_of(path) if notebook else path.read_text(encoding="utf-8")
    pieces = FENCE.split(text)
    return "".join(
        piece if number % 2 else LINK.sub(lead, piece)
        for number, piece in enumerate(pieces)
    )


def _leaves(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [leaf for each in inner for leaf in _leaves(each)]


def _present(
    entries: list[Any], pages: Mapping[str, str], beside: Mapping[str, list[str]]
) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, inner),) = entry.items()
            kept = _present(inner, pages, beside)
            found += [{title: kept}] if kept else []
        elif entry in pages and entry in beside:
            found.append({_title(pages[entry]): [entry, *beside[entry]]})
        elif entry in pages:
            found.append(entry)
    return found


def _title(text: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else ""
