"""Several devices learn and count what one does from the same batch."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).parents[1] / "support" / "devices_child.py"
RUNS = ("unweighted", "weighted", "whole", "tasks")


def train(path):
    command = [sys.executable, str(CHILD), str(path), path.stem]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    paths = [folder / "2.npz", folder / "3.npz"]
    found = {}
    with ThreadPoolExecutor() as pool:
        for process, path in zip(pool.map(train, paths), paths, strict=True):
            assert not process.returncode, process.stderr[-3000:]
            with np.load(path) as file:
                found |= file
    return found


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("devices", [2, 3])
def test_devices_find_what_one_does(devices, run, answers):
    names = [name[2:] for name in answers if name.startswith(f"1 {run} ")]
    assert any("loss" in name for name in names)
    for name in names:
        np.testing.assert_allclose(
            answers[f"{devices} {name}"],
            answers[f"1 {name}"],
            rtol=1e-5,
            atol=1e-5,
            err_msg=name,
        )


@pytest.mark.parametrize("run", RUNS)
def test_every_one_of_them_learns(run, answers):
    """All weights are finite and the losses fall, so that equal means something."""
    first, second = answers[f"1 {run} loss"]
    assert second < first
    numbers = [value for name, value in answers.items() if name.startswith(f"1 {run} ")]
    assert all(np.isfinite(value).all() for value in numbers)
