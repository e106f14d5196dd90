"""Files here and elsewhere, to be read in place and written to.

What an address is and how a file of it is had, tried again and spoken of is that of
`hrnet_tf.data.stores`. Nothing is copied to this machine's cache as data for training
are: each image is looked at once. Parquet and TFRecord files are opened where they are,
since a worker needs a part of them; clients of fsspec try again by themselves there.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import SCRATCH, is_scratch, writing
from hrnet_tf.data.stores import Filesystem, State, local_path, store_of

UNFINISHED = "_unfinished"  # the folder of unfinished files where nothing is local


def read_bytes(place: str) -> bytes:
    """What a file holds.

    Args:
        place: its path, or its URL: `file:`, `http:`, `https:`, or one of fsspec's,
            such as `s3:` or `gs:`.

    Raises:
        InputError: if it cannot be read.
    """
    with explained(place):
        if (path := local_path(place)) is not None:
            return path.read_bytes()
        return store_of(place).read(place)


def state_of(place: str) -> State:
    """What tells one state of a file from another, without reading it.

    Raises:
        InputError: if it is not there.
    """
    with explained(place):
        if (path := local_path(place)) is None:
            return store_of(place).state(place)
        facts = path.stat()
        return facts.st_size, str(facts.st_mtime_ns)


def file_system(place: str) -> tuple[Any, str]:
    """Of fsspec the file system of a place, and what it calls it.

    Raises:
        InputError: if the place is of a kind that is not known, or needs a package.
    """
    with explained(place):
        path = local_path(place)
        known = Filesystem(place if path is None else str(path.absolute()))
        return known.system, known.root


@contextlib.contextmanager
def explained(place: str) -> Iterator[None]:
    """In here what is wrong with a place is an InputError that names it."""
    try:
        yield
    except InputError:
        raise
    # What clients of stores raise has no common kind.
    except Exception as error:
        said = str(error).strip().rstrip(".") or type(error).__name__
        if isinstance(error, FileNotFoundError):
            said = "there is no such file or folder"
        raise InputError(f"{place} cannot be read: {said}.") from error


class Folder:
    """A folder to write to, here or elsewhere; its files are whole or not there.

    Args:
        place: its path or URL.
    """

    def __init__(self, place: str):
        self.place = place
        self.system, self.root = file_system(place)
        self._path = local_path(place)

    def names(self) -> set[str]:
        """Of what is in it, but for what a killed process has left unfinished."""
        if not self.system.exists(self.root):
            return set()
        found = self.system.ls(self.root, detail=False)
        names = {str(name).rstrip("/").rpartition("/")[2] for name in found}
        return {x for x in names if x != UNFINISHED and not is_scratch(Path(x))}

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Write a file: whole, or not at all; see `hrnet_tf.common.files.writing`."""
        if self._path is not None:
            with writing(self._path / name) as partial:
                yield partial
            return
        with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
            partial = Path(scratch, Path(name).name)
            yield partial
            unfinished = f"{self.root}/{UNFINISHED}/{Path(name).name}"
            self.system.makedirs(f"{self.root}/{UNFINISHED}", exist_ok=True)
            self.system.put_file(str(partial), unfinished)
            self.system.mv(unfinished, f"{self.root}/{name}")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, UTF-8."""
        with self.writing(name) as partial:
            partial.write_text(text, encoding="utf-8")

    def read_text(self, name: str) -> str | None:
        """The content of a text file; None: there is none."""
        try:
            return self.system.cat_file(f"{self.root}/{name}").decode("utf-8")
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.system.rm_file(f"{self.root}/{name}")
