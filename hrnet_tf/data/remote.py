"""Data that lie elsewhere, by their addresses: copied to this machine, once.

Everything that reads data reads files; `local_file` and `local_folder` put them there.
The copies lie in `HRNET_TF_CACHE`, or else in `~/.cache/hrnet_tf`, each in a folder of
its own with a note of what it is a copy of. A file is whole or not there; of several
processes that want the same one copies and the others wait.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.stores import (
    ADDRESS,
    MissingError,
    State,
    Store,
    below,
    local_path,
    name_of,
    store_of,
)

logger = logging.getLogger(__name__)

CACHE = "HRNET_TF_CACHE"  # environment variable
NOTE, LOCK = "copied.json", "copying.lock"
AT_ONCE = 16  # copies
ASKED = 1000  # files that are asked one by one whether they have changed
NOTED_EVERY = 500  # copies; what is not noted is copied again
NAMED = 5  # missing files in a line


def is_remote(text: object) -> bool:
    """Whether a setting is an address, such as `s3://bucket/train`, and no path."""
    return isinstance(text, str) and ADDRESS.match(text) is not None


def cache_folder() -> Path:
    """Where copies lie."""
    given = os.environ.get(CACHE)
    return Path(given) if given else Path.home() / ".cache" / "hrnet_tf"


def local_file(url: str) -> Path:
    """A file on this machine for one elsewhere.

    It is copied if it is not there yet, or if its size, tag or date say that it has
    changed.

    Args:
        url: its address, of the web or any that fsspec knows; of a `file:` address the
            path itself is given. A path is given as it is.

    Raises:
        InputError: if it is not there, may not be read, or breaks off.

    Example:
        ```python
        local_file("https://example.org/annotations.json").read_text()
        ```
    """
    if (path := local_path(url)) is not None:
        return path
    store = store_of(url)
    with _copy_of(url) as (target, note):
        before = note.files.get("")
        there = target.is_file() and before is not None
        state = store.state(url)
        if there and before == state:
            if state[1] == "":
                logger.warning(
                    "%s tells neither a tag nor a date: a change that keeps its size "
                    "is not noticed; remove %s to have it copied again",
                    *(url, target.parent),
                )
            return target
        logger.info("copying %s%s", url, ", which has changed" if there else "")
        note.files[""] = store.copy(url, target)
        note.write()
    return target


def local_folder(url: str, names: Iterable[str] | None = None) -> Path:
    """A folder on this machine for one elsewhere.

    What is new or has changed is copied, and what is gone there is removed.

    Args:
        url: its address; see `local_file`.
        names: of the files in it, as paths from it, where it cannot be listed. Up to a
            thousand are asked whether they have changed, of more it is said that they
            are not. Those that are not there are left to the readers, who know whether
            that is to stop them.

    Raises:
        InputError: if it cannot be listed and there are no names, or something may not
            be read or breaks off.
    """
    if (path := local_path(url)) is not None:
        return path
    store = store_of(url)
    if not store.listed and names is None:
        raise InputError(
            f"{url}: what is in a folder of the web cannot be listed, and there is "
            "nothing to read the names from; copy it, or give an address that can be "
            "listed, such as s3:// or gs://."
        )
    with _copy_of(url) as (target, note):
        if store.listed:
            found = store.files(url)
            if not found:
                raise MissingError(f"There is no folder {url}, or nothing is in it.")
            for name in found:
                if not _stays_inside(name):
                    raise InputError(f"{url} holds {name!r}, which leads out of it.")
            for name in note.files.keys() - found.keys():
                (target / name).unlink(missing_ok=True)
                del note.files[name]
            stale = [x for x, state in found.items() if note.files.get(x) != state]
        else:
            # Readers tell of names that lead out.
            wanted = list(dict.fromkeys(x for x in names or () if _stays_inside(x)))
            stale = [name for name in wanted if name not in note.files]
            old = [name for name in wanted if name in note.files]
            if len(old) > ASKED:
                logger.warning(
                    "%s: %d files are as they were copied, too many to ask for each; "
                    "remove %s to have them copied again",
                    *(url, len(old), target.parent),
                )
            else:
                stale += _changed(store, url, old, note)
        stale += [x for x in note.files if x not in stale and not (target / x).exists()]
        target.mkdir(exist_ok=True)
        _copy(store, url, stale, target, note)
    return target


class _Note:
    """What was copied, and in what state: beside the copies."""

    def __init__(self, folder: Path, url: str):
        self.path, self.url = folder / NOTE, url
        self.files: dict[str, State] = {}
        try:
            given = json.loads(self.path.read_text(encoding="utf-8"))
            self.files = {name: (size, mark) for name, size, mark in given["files"]}
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            logger.warning("%s is damaged: all of %s is copied again", self.path, url)

    def write(self) -> None:
        files = [[name, *state] for name, state in self.files.items()]
        write_text(self.path, json.dumps({"url": self.url, "files": files}))


@contextmanager
def _copy_of(url: str) -> Iterator[tuple[Path, _Note]]:
    """Where the copy lies and what is known of it, for this process alone."""
    key = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    folder = cache_folder() / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("waiting for another process that copies %s", url)
            lock.acquire()
    except OSError as error:
        raise InputError(
            f"{folder}: copies of {url} cannot be kept there ({error}); name another "
            f"folder in the environment variable {CACHE}."
        ) from None
    try:
        yield folder / name_of(url), _Note(folder, url)
    finally:
        lock.release()


def _changed(store: Store, url: str, names: list[str], note: _Note) -> list[str]:
    """Those of some files whose state is another one than when they were copied."""

    def differs(name: str) -> bool:
        try:
            return store.state(below(url, name)) != note.files[name]
        except MissingError:
            return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [
            x for x, new in zip(names, pool.map(differs, names), strict=True) if new
        ]


def _copy(store: Store, url: str, names: list[str], target: Path, note: _Note) -> None:
    """Copy files of a folder, several at once."""
    if not names:
        return
    logger.info("copying %d files of %s to %s", len(names), url, target)

    def copy(name: str) -> tuple[str, State | None]:
        try:
            return name, store.copy(below(url, name), target / name)
        except MissingError:
            return name, None

    missing = []
    bar = progress_bar(total=len(names), desc="copying", unit="file")
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for number, (name, state) in enumerate(pool.map(copy, names), 1):
            bar.update()
            if state is None:
                missing.append(name)
                note.files.pop(name, None)
                (target / name).unlink(missing_ok=True)
            else:
                note.files[name] = state
            if number % NOTED_EVERY == 0:
                note.write()
    finally:
        pool.shutdown(cancel_futures=True)
        bar.close()
        note.write()
    if missing:
        shown = ", ".join(missing[:NAMED])
        logger.warning(
            "%s: %d of %d files are not there, such as %s",
            *(url, len(missing), len(names), shown),
        )


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts
