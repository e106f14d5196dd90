"""Reading a 250 MB `.pth` file, and reading the same file's bytes.

The file is as PyTorch writes it: one entry a tensor in a zip archive, on 64-byte
boundaries, with as many tensors as a classifier has. Each side runs in fresh processes,
in turns, and adds up every number that it has read, so that nothing is left on disk.
The peer is `Path.read_bytes`, which holds what it read as tensors must be held.
Importing does not count, for time or memory. Memory is that of the process alone; less
than the tensors that it holds is no result.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.report import Result
from hrnet_tf.checkpoints.files import read_checkpoint
from hrnet_tf.export.processes.process_memory import begin_anew, peak_memory

TIME_TARGET = 1 / 1.5
MEMORY_TARGET = 0.3  # beyond the tensors, in parts of them
LEAST = 0.95  # of the tensors' bytes that reading them takes in any case
MEGABYTES = 250
TENSORS = 1600
ROUNDS = 3
ALIGNMENT = 64  # bytes
HEADER = 30  # bytes before a name in a zip archive
MEGABYTE = 1e6


def run() -> list[Result]:
    """Median times and the largest memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        write_checkpoint(path, MEGABYTES * 10**6 // TENSORS // 4)
        ours, plain = [], []
        for _ in range(ROUNDS):
            ours.append(measure("checkpoint", path))
            plain.append(measure("bytes", path))
    times = {
        "read_checkpoint": median(seconds for seconds, _ in ours) * 1000,
        "the file's bytes": median(seconds for seconds, _ in plain) * 1000,
    }
    memory = {
        "read_checkpoint": max(used for _, used in ours) / MEGABYTE,
        "its tensors": float(MEGABYTES),
    }
    mine, theirs = times.values()
    used, needed = memory.values()
    if used < LEAST * needed:
        raise RuntimeError(
            f"reading {needed:.0f} MB took {used:.2f} MB of memory: it was not measured"
        )
    return [
        Result("time, 250 MB", times, "ms", theirs / mine, TIME_TARGET),
        Result(
            "memory, 250 MB",
            memory,
            "MB",
            used - needed,
            MEMORY_TARGET * needed,
            is_ratio=False,
        ),
    ]


def write_checkpoint(path: Path, numbers: int, tensors: int = TENSORS) -> None:
    """Write tensors of random float32 numbers in PyTorch's zip format.

    Args:
        path: where to.
        numbers: in each tensor.
        tensors: how many; named `0.weight`, `1.weight` and so on.
    """
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", _program(numbers, tensors))
        for key in range(tensors):
            entry = zipfile.ZipInfo(f"archive/data/{key}")
            start = archive.start_dir + HEADER + len(entry.filename) + 4
            padding = -start % ALIGNMENT
            entry.extra = b"FB" + padding.to_bytes(2, "little") + bytes(padding)
            archive.writestr(entry, rng.random(numbers, np.float32).tobytes())


def _program(numbers: int, tensors: int) -> bytes:
    """The pickle of a dict of tensors, instruction by instruction."""
    size = pickle.BININT + numbers.to_bytes(4, "little")
    kind = _text("storage") + b"ctorch\nFloatStorage\n"
    parts = [pickle.PROTO, b"\x02", pickle.EMPTY_DICT]
    for key in range(tensors):
        storage = b"(" + kind + _text(str(key)) + _text("cpu") + size + b"tQ"
        shape, strides, hooks = size + b"\x85", b"K\x01\x85", b"\x89ccollections\n"
        parts += [
            _text(f"{key}.weight"),
            b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00",
            shape + strides + hooks + b"OrderedDict\n)RtR",
            pickle.SETITEM,
        ]
    return b"".join([*parts, pickle.STOP])


def _text(value: str) -> bytes:
    return pickle.BINUNICODE + len(value).to_bytes(4, "little") + value.encode()


def measure(kind: str, path: Path) -> tuple[float, int]:
    """Seconds and bytes of memory that reading takes in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.reading", kind, str(path)]
    answer = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    seconds, used = answer.stdout.split()
    return float(seconds), int(used)


def _read(kind: str, path: str) -> None:
    """Read in this process, and print what it took."""
    before = begin_anew()
    start = time.perf_counter()
    if kind == "checkpoint":
        for tensor in read_checkpoint(path).values():
            tensor.sum()
    else:
        content = Path(path).read_bytes()
        np.frombuffer(content, np.float32, len(content) // 4).sum()
    seconds = time.perf_counter() - start
    print(seconds, peak_memory() - before)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _read(*sys.argv[1:])
