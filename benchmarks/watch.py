"""Memory of this process, and of Ray's and its workers that it has started."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
DRIVER, WORKERS, RAY = "this process", "workers", "Ray itself"


def own_memory() -> dict[str, float]:
    """Megabytes by whose they are, without what several processes share."""
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(") ")[2].split()
            resident, shared = (folder / "statm").read_text().split()[1:3]
        except OSError:  # it has ended meanwhile
            continue
        parents[int(folder.name)] = int(state[1])
        sizes[int(folder.name)] = (int(resident) - int(shared)) * PAGE / 2**20
    ours = {os.getpid()}
    for _ in range(9):  # as deep as Ray's processes are, and deeper
        ours |= {number for number, parent in parents.items() if parent in ours}
    found = {DRIVER: 0.0, WORKERS: 0.0, RAY: 0.0}
    for number in ours & sizes.keys():
        found[_whose(number)] += sizes[number]
    return found


def _whose(number: int) -> str:
    """What a process of ours is for; Ray calls its workers `ray::` and their class."""
    if number == os.getpid():
        return DRIVER
    try:
        title = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return RAY
    return WORKERS if b"PartWorker" in title or b"bulk.trial" in title else RAY


class Watch(threading.Thread):
    """Samples memory while it is entered.

    Args:
        every: seconds between two samples.
        tell: takes each sample, see `own_memory`.

    Attributes:
        peak: the largest sum, in megabytes.
    """

    def __init__(
        self,
        every: float = 0.2,
        tell: Callable[[dict[str, float]], None] = lambda sample: None,
    ):
        super().__init__(daemon=True)
        self.every, self.tell, self.peak = every, tell, 0.0
        self._left = threading.Event()

    def run(self) -> None:
        """Sample until it is left."""
        while not self._left.wait(self.every):
            sample = own_memory()
            self.peak = max(self.peak, sum(sample.values()))
            self.tell(sample)

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self.join()
