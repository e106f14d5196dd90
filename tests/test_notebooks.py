"""The notebooks run: briefly here, as they stand with `--slow`."""

import json
import logging
from pathlib import Path

import pytest

from docs.builder.notebooks import page_of

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NAMES = [path.stem for path in sorted(FOLDER.glob("*.ipynb"))]

# What it must come to as it stands: a bit less than the outputs that are kept.
SCORES = {"own_keypoints": ("AP", 0.7), "own_masks": ("mean_iou", 0.65)}

# Pillow keeps files of pictures open that a notebook shows.
OPEN = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning",
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning",
)


def cells_of(name):
    """The code cells of a notebook."""
    book = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def run(name):
    """Run all cells in the folder that we are in.

    Returns:
        The names that are known at the end.
    """
    names, logger = {}, logging.getLogger("tensorflow")
    level = logger.level
    try:
        for number, cell in enumerate(cells_of(name)):
            code = compile("".join(cell["source"]), f"{name}, cell {number}", "exec")
            exec(code, names)
    finally:
        logger.setLevel(level)
    return names


def test_there_are_two():
    assert sorted(SCORES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_they_show_is_of_one_whole_run(name):
    cells = cells_of(name)
    numbers = [cell["execution_count"] for cell in cells]
    assert numbers == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert {"stream", "execute_result"} == kinds


@pytest.mark.parametrize("name", NAMES)
def test_pages_of_the_site_show_them(name):
    text = page_of(FOLDER / f"{name}.ipynb")
    assert text.startswith("# ")
    sources = ["".join(cell["source"]) for cell in cells_of(name)]
    assert [
        source for source in sources if f"```python\n{source}\n```" not in text
    ] == []
    assert text.count('src="data:image/') > 3


@OPEN
@pytest.mark.parametrize("name", NAMES)
def test_they_run_briefly(name, tmp_path, monkeypatch, eagerly, asked_here, shallow):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HRNET_TF_NOTEBOOK_IMAGES", "8")
    monkeypatch.setenv("HRNET_TF_NOTEBOOK_STEPS", "1")
    names = run(name)
    assert names["files"]["onnx"].is_file()


@OPEN
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_come_to_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    score, least = SCORES[name]
    assert run(name)["evaluation"].statistics[score] > least
