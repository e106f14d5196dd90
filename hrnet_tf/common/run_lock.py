"""One training in a folder at a time; who is there is told to the others."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text

LOCK = ".training.lock"
HOLDER = ".training.holder"


@contextlib.contextmanager
def training_in(folder: str | Path) -> Iterator[None]:
    """Hold a run's folder while it is trained in.

    The lock is the operating system's: it ends with the process, however that ends.
    Whoever only reads does not ask for it.

    Args:
        folder: the run's; it must be there.

    Raises:
        InputError: if another training holds it; the text says which.

    Example:
        ```python
        with training_in("saved_models/demo"):
            ...
        ```
    """
    folder = Path(folder)
    holder = folder / HOLDER
    try:
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: another training works in this folder{_who(holder)}. Wait for "
            "it or end it, or choose another output=FOLDER."
        ) from None
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        write_text(
            holder, f"process {os.getpid()} on {socket.gethostname()} since {since}"
        )
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        return f" ({holder.read_text(encoding='utf-8')})"
    except (OSError, ValueError):  # it has only just begun
        return ""
