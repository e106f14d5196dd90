"""Files from the web into Keras's cache: resumed, verified, complete or not there."""

import logging
import os
import tempfile
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import keras

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.hashing import sha256_of

logger = logging.getLogger(__name__)

FOLDER = "hrnet_tf"
CHUNK = 1 << 20  # bytes
TIMEOUT = 60  # seconds without a byte
NOT_SATISFIABLE = 416  # a server's answer to a range that begins behind the end
PARTIAL_CONTENT = 206


def cache_folder() -> Path:
    """Where files are kept: `hrnet_tf` in `KERAS_HOME`, or else in `~/.keras`.

    Where nothing can be written there, it is in the system's temporary folder.
    """
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("files are kept in a temporary folder: %s", error)
    if not os.access(home, os.W_OK):
        home = Path(tempfile.gettempdir()) / ".keras"
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetch(url: str | None, name: str, *, sha256: str | None, page: str) -> Path:
    """A file from the cache, downloaded first if it is not there.

    A download that breaks off is kept beside the file's place as `NAME.partial`, and
    the next call goes on with it.

    Args:
        url: where to get it; None: only a person can.
        name: of the file in the cache.
        sha256: its hash in hexadecimal, or the beginning of it; None: not known.
        page: where a person finds it.

    Returns:
        The file's path.

    Raises:
        InputError: if it cannot be had, or its hash is another one (it is removed
            then); the text says where to put a file got by hand.

    Example:
        ```python
        path = fetch("https://example.org/a.pth", "a.pth", sha256=None, page="...")
        ```
    """
    target = cache_folder() / name
    by_hand = f"get {name} by hand from {page} and put it into {target.parent}"
    if not target.is_file():
        if url is None:
            raise InputError(f"{name} has no direct link: {by_hand}.")
        partial = target.with_name(f"{name}.partial")
        try:
            _download(url, partial)
        except HTTPError as error:
            raise InputError(
                f"{url} cannot be downloaded, the server says {error.code} "
                f"{error.reason}: {by_hand}."
            ) from error
        except (OSError, HTTPException) as error:
            kept = partial.stat().st_size if partial.exists() else 0
            raise InputError(
                f"{url} cannot be downloaded ({error}), {kept} bytes are there: do the "
                f"same again to go on from these, or {by_hand}."
            ) from error
        os.replace(partial, target)
    _verify(target, sha256, by_hand)
    # Keras finds what is there; alone it would throw a broken download away.
    return Path(
        keras.utils.get_file(
            name, url or page, cache_dir=target.parents[1], cache_subdir=FOLDER
        )
    )


def _verify(path: Path, sha256: str | None, by_hand: str) -> None:
    found = sha256_of(path) if sha256 else ""
    if sha256 and not found.startswith(sha256):
        path.unlink()
        raise InputError(
            f"{path} is not the published file and was removed: its sha256 begins with "
            f"{found[: len(sha256)]}, expected {sha256}; try again, or {by_hand}."
        )


def _download(url: str, partial: Path) -> None:
    """Bring a partial file to its end.

    Raises:
        OSError: if the connection fails or breaks off.
    """
    start = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    logger.info("downloading %s, from byte %d", url, start)
    try:
        answer = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != NOT_SATISFIABLE or not start:
            raise
        partial.unlink()  # whatever it is, it is no beginning of this file
        _download(url, partial)
        return
    with answer:
        if answer.status != PARTIAL_CONTENT:
            start = 0  # the server sends all of it
        length = answer.headers.get("Content-Length")
        with open(partial, "ab" if start else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
    size = partial.stat().st_size
    if length is not None and size != start + int(length):
        raise ConnectionError(f"broken off after {size} of {start + int(length)} bytes")
