"""The recipes: each block of Python runs as it stands, or says why not."""

from pathlib import Path

import pytest

from hrnet_tf.common.compat import KERAS_3
from support.documents import blocks, run_python

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"
BLOCKS = [block for block in blocks(PAGE) if block.kind == "python"]

# In the addons lane those that call Keras most; the others call what is tested there.
BRIEF = ("A loss of your own, and `full_size`", "A frozen body")

SECTIONS = [name for name in dict.fromkeys(block.section for block in BLOCKS) if name]


def test_what_is_not_run_says_why():
    assert [block.reason for block in BLOCKS if block.reason] == [
        "more than one device is needed"
    ]
    assert len(SECTIONS) > 7


@pytest.mark.parametrize("section", SECTIONS if KERAS_3 else BRIEF)
def test_recipes_run_as_they_stand(section, eagerly):
    names = {}
    for block in BLOCKS:
        if block.section in ("", section) and not block.reason:
            run_python(block, PAGE, names)
