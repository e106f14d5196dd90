"""mypy, which reads source alone, knows the arguments of every constructor."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

from hrnet_tf.tasks import networks

MODELS = {name: row.constructor for name, row in networks().items()}
ROOT = Path(__file__).parents[2]
GOOD = """
import keras
from {module} import {name}
{name}(4, include_top=False, weights="imagenet", input_shape=(64, 64, 3))
{name}(upsampling="bilinear", bn_momentum=0.9, synchronized=True, modules=(1, 1, 1))
{name}(blocks=1, stem=((8, 2), (8, 2)), normalization=keras.layers.Layer, name="mine")
"""
WRONG = """
{name}(include_tpo=False)  # call-arg
{name}(include_top="no")  # arg-type
{name}(weights=18)  # arg-type
{name}(upsampling="cubic")  # arg-type
{name}(stem=(8, 2))  # arg-type
"""


def test_mypy_takes_what_is_right_and_nothing_else(tmp_path):
    program = "".join(
        part.format(name=name, module=inspect.unwrap(network).__module__)
        for part in (GOOD, WRONG)
        for name, network in MODELS.items()
    )
    program += "HRNetV2p(pyramid_outputs=True)  # call-arg\n"
    path = tmp_path / "program.py"
    path.write_text(program)
    process = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    found = re.findall(
        r"^.*program\.py:(\d+): error: .*\[([\w-]+)\]$", process.stdout, re.MULTILINE
    )
    expected = [
        (str(number), line.partition("  # ")[2])
        for number, line in enumerate(program.splitlines(), start=1)
        if "  # " in line
    ]
    assert len(expected) == 5 * len(MODELS) + 1
    assert found == expected, process.stdout + process.stderr
