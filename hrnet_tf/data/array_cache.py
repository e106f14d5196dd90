"""Decoded files as arrays on disk, of which only what is needed is read again."""

import contextlib
import hashlib
import logging
import os
import threading
from pathlib import Path

import numpy as np

logger = logging.getLogger(__name__)


class ArrayCache:
    """Arrays in `.npy` files, one for each version of a source file.

    A source of another size or time of change is another version. Files of versions
    that are gone stay; delete the folder to be rid of them.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.full = False
        self._lock = threading.Lock()

    def path(self, source: str, meaning: bytes = b"") -> Path:
        """Where the array of a source file lies or would lie.

        Args:
            source: a file.
            meaning: what else the array depends on.

        Raises:
            OSError: if there is no such file.
        """
        facts = os.stat(source)
        version = f"{os.path.abspath(source)}\n{facts.st_size}\n{facts.st_mtime_ns}\n"
        name = hashlib.sha256(version.encode() + meaning).hexdigest()
        return self.folder / name[:2] / f"{name}.npy"

    @staticmethod
    def get(path: Path) -> np.ndarray | None:
        """An array that is read where it is looked at, or None if there is none."""
        try:
            return np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError):  # not there, or cut off
            return None

    def put(self, path: Path, array: np.ndarray) -> None:
        """Write an array, whole or not at all; where that fails write no more."""
        if self.full:
            return
        part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as stream:
                np.save(stream, array)
            os.replace(part, path)
        except OSError as error:
            with self._lock:
                told, self.full = self.full, True
            if not told:
                logger.warning(
                    "%s cannot be written (%s); what is not in data.cache yet is "
                    "decoded each time",
                    path,
                    error,
                )
            with contextlib.suppress(OSError):
                part.unlink()
