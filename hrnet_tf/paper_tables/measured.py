"""Time and memory of the rows of a table, on the machine at hand."""

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.paper_tables.rows import Load, Row, Table

PROCESS = "hrnet_tf.paper_tables.process"
GIGABYTE = 1e9
NO_MEMORY = "no memory"  # in place of a time
CPUS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Taken:
    """What a step or a call took.

    Attributes:
        load: what the network got at once.
        seconds: the median; None: the machine has too little memory for it.
        gigabytes: the most memory, 10^9 bytes.
        device: the GPU; "": the CPU.
    """

    load: Load
    seconds: float | None
    gigabytes: float = 0.0
    device: str = ""

    def cells(self) -> list[str]:
        """Images and size, seconds, gigabytes."""
        height, width = self.load.size
        load = f"{self.load.images} of {height}x{width}"
        if self.seconds is None:
            return [load, NO_MEMORY, "-"]
        return [load, f"{self.seconds:.3g}", f"{self.gigabytes:.2f}"]


def measure_lines(
    table: Table,
    rows: Sequence[Row],
    size: tuple[int, int] | None = None,
    images: int | None = None,
) -> Iterator[tuple[str, Row | None, Taken | None]]:
    """What rows take, line by line, each as soon as it is measured.

    Args:
        table: they are of.
        rows: some of its rows.
        size: height and width of images, in place of the table's.
        images: a training step's, in place of the table's.

    Yields:
        The line, its row and what one image's answer took; None: no row.

    Raises:
        InputError: if a network does not take such images.
    """
    wide = max(len(row.name) for row in rows)
    heads = ("a training step", "s", "GB", "an answer", "s", "GB")
    yield _line("", heads, wide), None, None
    seen: dict[str, tuple[Taken, Taken]] = {}
    device = ""
    for row in rows:
        how = table.how_measured(row)
        key = f"{row.network} {how}"
        if key not in seen:
            step = Load(images or how.training.images, size or how.training.size)
            call = Load(how.inference.images, size or how.inference.size)
            seen[key] = (
                measure(row, step, how.targets),
                measure(row, call, None),
            )
        trained, answered = seen[key]
        device = device or answered.device or trained.device
        cells = [*trained.cells(), *answered.cells()]
        yield _line(row.name, cells, wide), row, answered
    yield _conditions(device), None, None


def measure(row: Row, load: Load, targets: str | None) -> Taken:
    """Measure a network in a process of its own.

    Args:
        row: of the network.
        load: what it gets at once.
        targets: what it learns from; None: it answers.

    Raises:
        InputError: if the network does not take such images.
    """
    asked = {
        "network": row.network.class_path,
        "arguments": dict(row.network.arguments),
        "size": load.size,
        "images": load.images,
        "targets": targets,
    }
    done = subprocess.run(
        [sys.executable, "-m", PROCESS, json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [""]
        # A process that the system ends so had more memory than there is.
        if done.returncode == -signal.SIGKILL or "ResourceExhausted" in done.stderr:
            return Taken(load, None)
        raise InputError(f"{row.name} could not be measured: {said[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Taken(load, found["seconds"], found["bytes"] / GIGABYTE, found["device"])


def _conditions(device: str) -> str:
    """What numbers depend on, one sentence."""
    where = device or f"CPU: {processor()}, {os.cpu_count()} threads"
    memory = "GPU's" if device else "process's, Python and TensorFlow included"
    return (
        f"{where}; TensorFlow {tf.__version__}, Keras {keras.__version__}, "
        "float32; medians; "
        f"memory: the {memory}, at most; each in a process of its own"
    )


def processor() -> str:
    """The name of the CPU."""
    lines = CPUS.read_text().splitlines() if CPUS.exists() else []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.processor() or platform.machine()


def _line(name: str, cells: Sequence[str], wide: int) -> str:
    widths = (17, 9, 7) * 2
    columns = (f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{name:<{wide}}" + "".join(columns)
