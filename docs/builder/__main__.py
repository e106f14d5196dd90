"""`python -m docs.builder`: the site, from `docs/` to `build/docs/html`."""

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from docs.builder import check, names, pages, settings, zoo, zoo_pages
from hrnet_tf.checkpoints.published import PUBLISHED
from hrnet_tf.common.errors import InputError

OUT = pages.ROOT / "build" / "docs"  # git leaves it out

# What pages may ask for.
MAKERS: Mapping[str, pages.Maker] = {
    "names": names.make,
    "settings": settings.make,
    "weights": lambda: {"": zoo_pages.weights_table(PUBLISHED)},
    "zoo": zoo_pages.make,
}


def build(out: Path = OUT, makers: Mapping[str, pages.Maker] = MAKERS) -> Path:
    """Build the site.

    Args:
        out: a folder; its own `pages`, `html` and `mkdocs.yml` are written anew.
        makers: of what pages ask for.

    Returns:
        The folder of the HTML files.

    Raises:
        InputError: if a page, a link or a heading is missing, or Zensical warns.
    """
    if importlib.util.find_spec("zensical") is None:
        raise InputError(
            "Zensical, which builds the site, is not installed: pip install "
            "'hrnet-tf[docs]', on Python 3.11 or newer."
        )
    found = pages.fill(pages.collect(), makers)
    text = (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shape = yaml.safe_load(text)
    shape["nav"] = pages.navigation(shape["nav"], found)
    shape |= {"docs_dir": "pages", "site_dir": "html"}
    pages.write(found, out / "pages")
    (out / "mkdocs.yml").write_text(yaml.safe_dump(shape), encoding="utf-8")
    _run_zensical(out)
    if wrong := check.problems(out / "html"):
        raise InputError("The site is not whole:\n" + "\n".join(wrong))
    return out / "html"


def _run_zensical(folder: Path) -> None:
    """HTML of a folder's pages; warnings are errors."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    process = subprocess.run(
        [*command, "--config-file", str(folder / "mkdocs.yml")],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    if process.returncode:
        told = process.stderr.partition("Traceback")[0].strip() or process.stderr
        raise InputError(f"Zensical does not build the site:\n{told}")


def main(argv: Sequence[str] | None = None) -> None:
    """Build the site and say where it is, or count the zoo's networks."""
    parser = argparse.ArgumentParser("python -m docs.builder", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("site", "counts"),
        default="site",
        help="counts: of the zoo's networks, those that have not been counted",
    )
    parser.add_argument("--anew", action="store_true", help="count all networks")
    arguments = parser.parse_args(argv)
    try:
        if arguments.what == "counts":
            zoo.keep_counts(arguments.anew)
        else:
            print(f"The site: {build() / 'index.html'}")
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
