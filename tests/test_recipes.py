"""Recipes and questions: each block of Python runs as it stands, or says why not."""

from pathlib import Path

import pytest

from hrnet_tf.common.compat import KERAS_3
from support.documents import blocks, run_python

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    page: [block for block in blocks(DOCS / page) if block.kind == "python"]
    for page in ("recipes.md", "faq.md")
}
SECTIONS = [
    (page, section)
    for page, found in PAGES.items()
    for section in dict.fromkeys(block.section for block in found)
    if section and any(b.section == section and not b.reason for b in found)
]
# In the addons lane those that call Keras most; the others call what is tested there.
BRIEF = [
    ("recipes.md", "A loss of your own, and `full_size`"),
    ("recipes.md", "A frozen body"),
]


def test_what_is_not_run_says_why():
    reasons = [block.reason for found in PAGES.values() for block in found]
    assert list(filter(None, reasons)) == [
        "more than one device is needed",
        "COCO is needed",
    ]
    assert len(SECTIONS) > 10
    assert set(BRIEF) < set(SECTIONS)


@pytest.mark.parametrize(("page", "section"), SECTIONS if KERAS_3 else BRIEF)
def test_blocks_run_as_they_stand(page, section, eagerly):
    names = {}
    for block in PAGES[page]:
        if block.section in ("", section) and not block.reason:
            run_python(block, DOCS / page, names)
