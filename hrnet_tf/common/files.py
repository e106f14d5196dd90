"""Files that are whole or not there: written beside their place, then put into it."""

import contextlib
import os
import re
import shutil
import socket
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
            dir=path.parent,
            prefix=f"{_of_this_place()}{os.getpid()}.",
            ignore_cleanup_errors=True,
        ) as scratch:
            yield Path(scratch)


def _of_this_place() -> str:
    """What folders of unfinished files begin with where processes see one another."""
    try:
        space = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    except OSError:  # no Linux
        return f"{SCRATCH}."
    return f"{SCRATCH}{re.sub('[^A-Za-z0-9-]', '-', socket.gethostname())}.{space}."


def remove_abandoned(folder: Path) -> None:
    """Remove folders of unfinished files that killed processes have left.

    Only those of processes that could be seen from here and are not: what another
    machine or container writes on a file system that both have is left alone.

    Args:
        folder: where finished files are; what lies below is not looked at.
    """
    place = _of_this_place()
    for path in sorted(folder.glob(f"{place}*")):
        number = path.name.removeprefix(place).split(".")[0]
        if number.isdigit() and not Path("/proc", number).exists():
            shutil.rmtree(path, ignore_errors=True)


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
    """Move a finished file or folder to its place; what is there is replaced.

    A folder is never there by half, neither the old one nor the new one.

    Args:
        source: in a folder of unfinished files, where an old folder goes meanwhile.
        target: its place.
    """
    with contextlib.ExitStack() as undo:
        if source.is_dir() and target.is_dir():
            _move(target, source.with_name(f"{SCRATCH}old"), undo)
        _move(source, target, undo)
        undo.pop_all()


def put_among(source: Path, target: Path) -> None:
    """Move the files of a finished folder to their place, where there may be others.

    Args:
        source: in a folder of unfinished files; it holds no folders.
        target: the folder where they shall be.
    """
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        put(source, target)
        return
    for file in sorted(source.iterdir()):
        put(file, target / file.name)


@contextlib.contextmanager
def writing_together(path: str | Path) -> Iterator[Path]:
    """Write a file with others beside it that belong to it: all of them, or none.

    What is there is replaced once all is finished, and put back if that fails. `path`
    goes before anything is replaced and comes last, so that a process may be killed at
    any moment: where this file is, the others are those that were written with it.

    Args:
        path: the file without which nobody takes the others for good, such as a
            manifest.

    Yields:
        A path of the same name, in a folder that lasts no longer. What is written
        beside it, files and folders, goes beside `path`.

    Raises:
        OSError: if something cannot be written; it names its final place.

    Example:
        ```python
        with writing_together("scores.json") as partial:
            partial.with_suffix(".txt").write_text("loss 0.1")
            partial.write_text('{"loss": 0.1}')
        ```
    """
    path = Path(path)
    remove_abandoned(path.parent)
    with scratch_beside(path) as scratch:
        yield scratch / path.name
        written = [x for x in sorted(scratch.iterdir()) if not is_scratch(x)]
        aside = scratch / f"{SCRATCH}old"
        aside.mkdir()
        with contextlib.ExitStack() as undo:
            if path.is_file():
                _move(path, aside / path.name, undo)
            for source in sorted(written, key=lambda x: x.name == path.name):
                target = path.with_name(source.name)
                # Of another kind it is somebody else's, and stands in the way.
                if target.exists() and target.is_dir() == source.is_dir():
                    _move(target, aside / target.name, undo)
                _move(source, target, undo)
            undo.pop_all()


def _move(source: Path, target: Path, undo: contextlib.ExitStack) -> None:
    """Rename a file or a folder, and say how that is undone."""
    os.replace(source, target)
    undo.callback(os.replace, target, source)


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
