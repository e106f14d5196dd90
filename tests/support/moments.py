"""Moments at which this process changes files: to fail there, or to see what is there.

Python tells an audit hook of every file that it opens, makes, renames or removes. What
libraries write from C++ is not told; that it lies in folders of unfinished files is
seen by what appears elsewhere without having been renamed.
"""

import contextlib
import errno
import os
import shutil
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from hrnet_tf.common.files import SCRATCH

MAKES = {"os.mkdir": 0, "os.link": 1, "os.rename": 1}  # index of the path that is made
CHANGES = {*MAKES, "os.remove", "os.rmdir"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

_watching = []
_busy = threading.local()
_lock = threading.RLock()


def _hook(event, given):
    if not _watching or getattr(_busy, "on", False):
        return
    if event not in CHANGES and event != "open":
        return
    for watch in _watching:
        _busy.on = True
        try:
            with _lock:
                watch.told(event, given)
        finally:
            _busy.on = False


sys.addaudithook(_hook)


def is_unfinished(path):
    return SCRATCH in str(path)


def _text(path):
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""


@dataclass
class Moments:
    """What becomes of a folder.

    Attributes:
        folder: that is looked at; what is outside counts for `fail_at` only.
        fail_at: number of the moment from which on the disk is full; None: it is not.
        snapshots: where to copy the folder before each change that a later command may
            see; None: nowhere.
        made: paths that were opened to be written, made or renamed, in order.
        put: those that got their place by a new name.
        in_place: those that were opened in their final place.
    """

    folder: Path
    fail_at: int | None = None
    snapshots: Path | None = None
    made: list = field(default_factory=list)
    put: list = field(default_factory=list)
    in_place: list = field(default_factory=list)

    def told(self, event, given):
        if event == "open":
            path, _, flags = given
            if not (isinstance(flags, int) and flags & WRITES):
                return
        else:
            path = given[MAKES.get(event, 0)]
        path = _text(path)
        if not path or path.startswith(("/dev/", "/proc/")):
            return
        here = Path(path).is_relative_to(self.folder) and not is_unfinished(path)
        if here and event == "open":
            self.in_place.append(path)
        sources = map(_text, given[:1])
        seen = here or any(
            Path(x).is_relative_to(self.folder) and not is_unfinished(x)
            for x in sources
        )
        if self.snapshots is not None and seen and event in CHANGES - {"os.mkdir"}:
            self.snapshot()
        if event in MAKES or event == "open":
            self.made.append((event, path))
            self._fail(event, path)
        if here and event in ("os.rename", "os.link"):
            self.put.append(Path(path))

    def _fail(self, event, path):
        number = len(self.made) - 1
        if self.fail_at is None or number < self.fail_at:
            return
        # Names can be changed on a full disk, as a rule.
        if number == self.fail_at or event in ("open", "os.mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def snapshot(self):
        """Copy the folder as a kill would leave it."""
        if self.folder.is_dir():
            number = len(list(self.snapshots.iterdir()))
            shutil.copytree(self.folder, self.snapshots / f"{number:03d}")


@contextlib.contextmanager
def moments(folder, fail_at=None, snapshots=None):
    """Look at what becomes of a folder in here; see `Moments`."""
    found = Moments(Path(folder), fail_at, snapshots)
    if snapshots is not None:
        snapshots.mkdir(parents=True)
    _watching.append(found)
    try:
        yield found
    finally:
        _watching.remove(found)
        if snapshots is not None:
            found.snapshot()


def contents(folder):
    """Bytes of every file of a folder that is finished, by its path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not is_unfinished(path)
    }
