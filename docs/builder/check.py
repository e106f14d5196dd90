"""A look through a built site: links lead somewhere, nothing comes from outside."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

# What a browser fetches by itself, by the tag and the attribute that names it.
FETCHED = {
    *(("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")),
    ("link", "href"),
}
LED = {("a", "href")}


class _Page(HTMLParser):
    """Anchors and references of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.fetched: list[str] = []
        self.led: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what an element is called and what it refers to."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if (tag, name) in FETCHED and value:
                self.fetched.append(value)
            elif (tag, name) in LED and value:
                self.led.append(value)


def problems(folder: Path) -> list[str]:
    """What is wrong in a built site, a line each, beginning with the page.

    Args:
        folder: of the HTML files.
    """
    pages = {
        path.resolve(): _Page(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.html"))
    }
    found = []
    for path, page in pages.items():
        where = path.relative_to(folder.resolve()).as_posix()
        fetched = [x for x in page.fetched if not x.startswith("data:")]
        outside = [x for x in fetched if _is_outside(x)]
        found += [f"{where}: {x} would be loaded from elsewhere" for x in outside]
        if where == "404.html":  # its references begin at the root of a server
            continue
        for reference in (*page.fetched, *page.led):
            if not _is_outside(reference):
                problem = _problem(path, reference, pages)
                found += [f"{where}: {reference} {problem}"] if problem else []
    return found


def _is_outside(reference: str) -> bool:
    return "://" in reference or reference.startswith(("//", "mailto:", "data:"))


def _problem(path: Path, reference: str, pages: dict[Path, _Page]) -> str | None:
    place, anchor = urldefrag(reference)
    target = (path.parent / unquote(place)).resolve() if place else path
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return "is not there"
    if anchor and target in pages and unquote(anchor) not in pages[target].anchors:
        return "leads to a heading that is not there"
    return None
