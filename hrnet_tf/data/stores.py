"""Where files lie that are not on this machine: what is there, and copies of it.

The web is asked with Python's own client, which needs nothing; it cannot be listed.
Everything else (`s3:`, `gs:`, `memory:`, ...) is fsspec's, the extra `remote`.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, url2pathname, urlopen

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import writing
from hrnet_tf.common.reading import LARGEST
from hrnet_tf.common.version import __version__

T = TypeVar("T")

# What tells one state of a file from another: its size (None: not told) and its tag or
# date ("": not told).
State = tuple[int | None, str]

WEB = ("http", "https")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
TIMEOUT = 60  # seconds without a byte
CHUNK = 1 << 20  # bytes
TRIES = 3
PAUSE = 0.5  # seconds before the second try, and twice as many before the next
MISSING, FORBIDDEN, NO_HEAD = (404, 410), (401, 403, 407), (405, 501)
SERVERS_FAULT = 500  # and above: what may go by
# What fsspec's file systems call a tag or a date, the surest first.
MARKS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")


def local_path(place: str) -> Path | None:
    """The path that a place or a `file:` address is; None: it is elsewhere."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if ADDRESS.match(place) else Path(place)


class MissingError(InputError):
    """There is no such file."""


class Store(Protocol):
    """A place of files.

    Attributes:
        listed: whether it tells what is in a folder.
    """

    listed: bool

    def is_folder(self, url: str) -> bool:
        """Whether it knows that a folder is there."""

    def files(self, url: str) -> dict[str, State]:
        """All files of a folder and of those below, by their paths from it."""

    def state(self, url: str) -> State:
        """That of a file."""

    def copy(self, url: str, target: Path) -> State:
        """Copy a file: whole, or not at all; the state of what was copied."""

    def read(self, url: str) -> bytes:
        """What a file holds, whole; a file of the web that is not too large."""


def store_of(url: str) -> Store:
    """What a file of this address lies in.

    Raises:
        InputError: if nothing for it is installed.
    """
    return Web() if urlsplit(url).scheme.lower() in WEB else Filesystem(url)


def below(url: str, name: str) -> str:
    """The address of a file in a folder, by its path from there."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in WEB:
        return f"{url.rstrip('/')}/{name}"
    path = f"{parts.path.rstrip('/')}/{quote(name)}"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def name_of(url: str) -> str:
    """What a file or a folder of this address is called."""
    parts = urlsplit(url)
    return unquote(PurePosixPath(parts.path.rstrip("/")).name) or parts.netloc or "root"


class Web:
    """Files behind `http:` and `https:`."""

    listed = False

    def is_folder(self, url: str) -> bool:
        """Never known."""
        return False

    def files(self, url: str) -> dict[str, State]:
        """Servers of the web do not tell."""
        raise InputError(f"{url}: what is in a folder of the web cannot be listed.")

    def state(self, url: str) -> State:
        """What the headers say."""

        def ask(method: str) -> State:
            with self._open(url, method) as answer:
                return _headers(answer)

        def either() -> State:
            try:
                return ask("HEAD")
            except HTTPError as error:
                if error.code not in NO_HEAD:
                    raise
                return ask("GET")

        return trying(url, either)

    def copy(self, url: str, target: Path) -> State:
        """As the protocol says."""

        def fetch() -> State:
            with self._open(url, "GET") as answer, writing(target) as partial:
                size, mark = _headers(answer)
                with partial.open("wb") as file:
                    shutil.copyfileobj(answer, file, CHUNK)
                check_whole(partial.stat().st_size, size)
            return size, mark

        return trying(url, fetch)

    def read(self, url: str) -> bytes:
        """As the protocol says."""

        def fetch() -> bytes:
            with self._open(url, "GET") as answer:
                size, _ = _headers(answer)
                found: bytes = answer.read(LARGEST + 1)
            if len(found) <= LARGEST:
                check_whole(len(found), size)
            return found

        content = trying(url, fetch, "read")
        if len(content) > LARGEST:
            raise InputError(f"{url} is larger than {LARGEST >> 20} MiB.")
        return content

    def _open(self, url: str, method: str) -> Any:
        # As it is: what packs contents on their way changes their length.
        headers = {
            "User-Agent": f"hrnet_tf/{__version__}",
            "Accept-Encoding": "identity",
        }
        return urlopen(Request(url, headers=headers, method=method), timeout=TIMEOUT)


class Filesystem:
    """Files behind any address that fsspec knows.

    Attributes:
        system: fsspec's file system.
        root: what it calls the place of the address.
    """

    listed = True

    def __init__(self, url: str):
        try:
            import fsspec

            self.system, self.root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise InputError(
                f"{url} cannot be read: {error}. What s3:// and gs:// need is in the "
                "extra remote: pip install 'hrnet-tf[remote]' (in the repository: pip "
                "install -e '.[remote]')."
            ) from None
        except ValueError as error:
            raise InputError(f"{url} cannot be read: {error}.") from None

    def is_folder(self, url: str) -> bool:
        """As the protocol says."""
        return trying(url, lambda: self.system.isdir(self._path(url)))

    def files(self, url: str) -> dict[str, State]:
        """As the protocol says."""
        path = self._path(url).rstrip("/")

        def find() -> Mapping[str, Any]:
            self.system.invalidate_cache(path)
            return self.system.find(path, detail=True)

        found = trying(url, find)
        return {
            name.removeprefix(path).lstrip("/"): _facts(facts)
            for name, facts in found.items()
            if name != path
        }

    def state(self, url: str) -> State:
        """As the protocol says."""
        self.system.invalidate_cache()
        return trying(url, lambda: _facts(self.system.info(self._path(url))))

    def copy(self, url: str, target: Path) -> State:
        """As the protocol says."""
        path = self._path(url)

        def fetch() -> State:
            state = _facts(self.system.info(path))
            with self.system.open(path, "rb") as source, writing(target) as partial:
                with partial.open("wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)
                check_whole(partial.stat().st_size, state[0])
            return state

        return trying(url, fetch)

    def read(self, url: str) -> bytes:
        """As the protocol says."""
        return trying(url, lambda: self.system.cat_file(self._path(url)), "read")

    def _path(self, url: str) -> str:
        return self.system._strip_protocol(url)


def check_whole(copied: int, size: int | None) -> None:
    """Raise a ConnectionError if a copy ended early."""
    if size is not None and copied != size:
        raise ConnectionError(f"it broke off after {copied} of {size} bytes")


def trying(url: str, what: Callable[[], T], verb: str = "copied") -> T:
    """Do something with a file; what may go by is tried again.

    Args:
        url: of the file.
        what: is done with it.
        verb: what it is in words.

    Raises:
        MissingError: if it is not there.
        InputError: if it may not be read, or cannot be.
    """
    for attempt in range(TRIES):
        try:
            return what()
        except HTTPError as error:
            if error.code in MISSING:
                raise MissingError(f"There is no {url}.") from None
            said = f"the server says {error.code} {error.reason}"
            if error.code in FORBIDDEN:
                raise InputError(f"{url} may not be read: {said}.") from None
            last, final = said, error.code < SERVERS_FAULT
        except FileNotFoundError:
            raise MissingError(f"There is no {url}.") from None
        except PermissionError as error:
            raise InputError(f"{url} may not be read: {error}.") from None
        except Exception as error:  # file systems raise what their services do
            last, final = str(error) or type(error).__name__, False
        if final:
            break
        if attempt + 1 < TRIES:
            time.sleep(PAUSE * 2**attempt)
    raise InputError(
        f"{url} cannot be {verb}: {last}. The same command again goes on with what is "
        "missing."
    )


def _headers(answer: Any) -> State:
    length = answer.headers.get("Content-Length")
    mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    return (int(length) if length is not None else None), mark


def _facts(facts: Mapping[str, Any]) -> State:
    mark = next((str(facts[name]) for name in MARKS if facts.get(name)), "")
    return facts.get("size"), mark
