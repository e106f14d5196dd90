"""Several devices learn and count what one does from the same batch."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).parents[1] / "support" / "devices_child.py"
RUNS = ("unweighted", "weighted", "whole", "tasks")


def train(path, traced):
    command = [sys.executable, str(CHILD), str(path), path.stem, *traced]
    return subprocess.run(command, capture_output=True, text=True)


def answers(folder, counts, *traced):
    """What comes of it, by the number of devices and the name."""
    found = {}
    with ThreadPoolExecutor() as pool:
        paths = [folder / f"{count}.npz" for count in counts]
        processes = pool.map(lambda path: train(path, traced), paths)
        for process, path in zip(processes, paths, strict=True):
            assert not process.returncode, process.stderr[-3000:]
            with np.load(path) as file:
                found |= file
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return answers(tmp_path_factory.mktemp("alone"), [1])


@pytest.fixture(scope="module")
def together(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("together")
    slow = request.config.getoption("--slow")
    return answers(folder, (2, 3) if slow else (2,), *["traced"] * slow)


@pytest.mark.parametrize("run", RUNS)
def test_a_device_learns(run, alone):
    """All weights are finite and the losses fall, so that equal means something."""
    first, second = alone[f"1 {run} loss"]
    assert second < first
    numbers = [value for name, value in alone.items() if name.startswith(f"1 {run} ")]
    assert all(np.isfinite(value).all() for value in numbers)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("devices", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_devices_find_what_one_does(devices, run, alone, together):
    names = [name[2:] for name in alone if name.startswith(f"1 {run} ")]
    assert any("loss" in name for name in names)
    assert run != "tasks" or any("confusion matrix" in name for name in names)
    for name in names:
        np.testing.assert_allclose(
            together[f"{devices} {name}"],
            alone[f"1 {name}"],
            rtol=1e-5,
            atol=1e-5,
            err_msg=name,
        )
