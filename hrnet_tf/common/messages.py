"""Lines of libraries go to a log while a command runs; the terminal is for ours.

TensorFlow and others write from C++ to file descriptor 2, whatever Python does with
`sys.stderr`; so the descriptor itself is turned to a file.
"""

import contextlib
import faulthandler
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LOG = Path("logs", "messages.log")  # in a run's folder
STDERR = 2  # the file descriptor

_active: "list[Messages]" = []


class Messages:
    """The log of a command, which file descriptor 2 leads to.

    Attributes:
        path: of its file: at first in the system's temporary folder.
        in_run: whether that lies in a run's folder, and stays there.
    """

    def __init__(self) -> None:
        self.in_run = False
        try:
            number, name = tempfile.mkstemp(prefix="hrnet_tf_", suffix=".log")
        except OSError:  # no room at all
            number, name = os.open(os.devnull, os.O_WRONLY), os.devnull
        self.path = Path(name)
        self.watch: Watch | None = None
        os.dup2(number, STDERR)
        os.close(number)

    def move(self, folder: Path) -> None:
        """Go on in the folder of a run, behind what earlier commands left there."""
        if self.in_run:
            return
        target = folder / LOG
        try:
            target.parent.mkdir(exist_ok=True)
            with open(target, "ab") as log, open(self.path, "rb") as before:
                command = f"-- {time.strftime('%Y-%m-%d %H:%M:%S')} {sys.argv[1:]}\n"
                log.write(command.encode("utf-8", "backslashreplace"))
                shutil.copyfileobj(before, log)
                log.flush()
                os.dup2(log.fileno(), STDERR)
        except OSError:  # where the run cannot be written the log stays where it is
            return
        self.discard()
        self.path, self.in_run = target, True
        if self.watch is not None:
            self.watch.tell(str(target))

    def kept(self) -> Path | None:
        """Its file, if there is anything in it."""
        there = self.path.is_file() and self.path.stat().st_size > 0
        return self.path if there else None

    def discard(self) -> None:
        """Remove it, unless it is a run's."""
        if not self.in_run and self.path != Path(os.devnull):
            self.path.unlink(missing_ok=True)


class Watch:
    """A process that names the log if this one dies without a word.

    It does nothing but wait at the end of a pipe, which closes with this process.

    Args:
        terminal: file descriptor to write to.
    """

    def __init__(self, terminal: int):
        reading, self.pipe = os.pipe()
        self.process = os.fork()
        if not self.process:
            try:
                self._wait(reading, terminal)
            finally:
                os._exit(0)
        os.close(reading)

    def _wait(self, reading: int, terminal: int) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(self.pipe)
        with open(reading, "rb") as pipe:
            last = pipe.read().split(b"\n")[-2:-1]
        if last and last[0]:
            os.write(terminal, b"hrnet-tf: killed; its log is " + last[0] + b"\n")

    def tell(self, log: str) -> None:
        """Where the log is; "": all is well."""
        with contextlib.suppress(OSError):
            os.write(self.pipe, os.fsencode(f"{log}\n"))

    def close(self) -> None:
        """End it."""
        self.tell("")
        os.close(self.pipe)
        os.waitpid(self.process, 0)


@contextlib.contextmanager
def set_aside() -> Iterator[Messages]:
    """Turn lines of libraries to a log while this lasts.

    What this package logs goes to `sys.stderr`, which leads to the terminal as before.
    """
    sys.stderr.flush()
    terminal, stream = os.dup(STDERR), sys.stderr
    # Not where standard error is something else already, as in tests and notebooks.
    owned = stream is sys.__stderr__
    if owned:
        sys.stderr = _writer(os.dup(terminal))
    messages = Messages()
    try:
        with contextlib.ExitStack() as stack:
            if owned and hasattr(os, "fork"):
                messages.watch = Watch(terminal)
                stack.callback(messages.watch.close)
                messages.watch.tell(str(messages.path))
                faulthandler.enable(STDERR)
                stack.callback(faulthandler.disable)
            stack.enter_context(_logging())
            _active.append(messages)
            stack.callback(_active.remove, messages)
            yield messages
    finally:
        if owned:
            sys.stderr.close()
            sys.stderr = stream
        os.dup2(terminal, STDERR)
        os.close(terminal)


def keep_in(folder: str | Path) -> None:
    """Keep the log of the command in a run's folder; without a command do nothing."""
    for messages in _active:
        messages.move(Path(folder))


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Log this package's lines to `sys.stderr`; all, and warnings, to the log."""
    root, ours = logging.getLogger(), logging.getLogger("hrnet_tf")
    level = ours.level
    log = logging.StreamHandler(_writer(STDERR, closed=False))
    log.setFormatter(logging.Formatter("%(levelname)s:%(name)s: %(message)s"))
    plain = logging.StreamHandler(sys.stderr)
    plain.setFormatter(logging.Formatter("%(message)s"))
    root.addHandler(log)
    ours.addHandler(plain)
    ours.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        ours.setLevel(level)
        ours.removeHandler(plain)
        root.removeHandler(log)


def _writer(number: int, closed: bool = True) -> IO[str]:
    """A text file of lines for a file descriptor, which it closes or not."""
    return os.fdopen(
        number, "w", buffering=1, errors="backslashreplace", closefd=closed
    )
