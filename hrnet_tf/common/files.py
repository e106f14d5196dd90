"""Files that are whole or not there: written beside their place, then put into it."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

SCRATCH = ".writing_"  # what folders of unfinished files begin with
_IN_SCRATCH = re.compile(re.escape(f"{os.sep}{SCRATCH}") + r"[^/\\]*")


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Write a file or a folder: whole, or not at all.

    Args:
        path: where it shall be. Folders above it are made; what is there is replaced,
            but only once the new one is finished.

    Yields:
        A path of the same name, in a folder beside it that lasts no longer, to write
        to.

    Raises:
        OSError: if it cannot be written; it names `path`.

    Example:
        ```python
        with writing("scores.csv") as partial:
            partial.write_text("epoch,loss")
        ```
    """
    path = Path(path)
    with scratch_beside(path) as scratch:
        partial = scratch / path.name
        yield partial
        put(partial, path)


@contextlib.contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """A folder for unfinished files, beside the place of the finished ones.

    Raises:
        OSError: of what is done in it, with the name of the finished file.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=SCRATCH, ignore_cleanup_errors=True
        ) as scratch:
            yield Path(scratch)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError without a name that is raised in here has that of this file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        elif isinstance(error.filename, str):
            error.filename = without_scratch(error.filename)
        error.filename2 = None
        raise


def put(source: Path, target: Path) -> None:
    """Move a finished file or folder to its place; what is there is replaced."""
    if target.is_dir() and source.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)


def is_scratch(path: Path) -> bool:
    """Whether this is a folder of unfinished files, as a killed process leaves it."""
    return path.name.startswith(SCRATCH)


def without_scratch(text: str) -> str:
    """A text with the places of unfinished files as those where they shall be."""
    return _IN_SCRATCH.sub("", text)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file; see `writing`."""
    with writing(path) as partial:
        partial.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8; see `writing`."""
    # Names of files need not be UTF-8.
    write_bytes(path, text.encode("utf-8", "surrogateescape"))
