"""Images as callers have them: arrays, files, and addresses on the web."""

import os
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, url2pathname, urlopen

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import LARGEST, PIXEL_LIMIT, Orientation, Reading
from hrnet_tf.common.version import __version__
from hrnet_tf.images.files import decode, read_image
from hrnet_tf.images.preprocess import check_image

# An image to predict from: uint8 RGB `(height, width, 3)`, a path, or an address that
# begins with `file:`, `http:` or `https:`.
ImageSource = np.ndarray | str | os.PathLike[str]

TIMEOUT = 60  # seconds without a byte


def open_image(
    source: Any,
    orientation: Orientation = "upright",
    pixel_limit: int = PIXEL_LIMIT,
) -> np.ndarray:
    """An image, whatever form it is given in.

    Args:
        source: uint8 RGB `(height, width, 3)`; the path of a file; or an address that
            begins with `file:`, `http:` or `https:`. What is fetched is kept nowhere.
        orientation: how files are taken, see `hrnet_tf.read_image`.
        pixel_limit: larger files are refused.

    Returns:
        uint8 RGB, `(height, width, 3)`.

    Raises:
        InputError: if it is no image, or cannot be had.

    Example:
        ```python
        open_image("https://example.org/photo.jpg").shape  # (480, 640, 3)
        ```
    """
    if not isinstance(source, str | os.PathLike):
        return check_image(source)
    address = urlsplit(source) if isinstance(source, str) else None
    if address is None or address.scheme not in ("file", "http", "https"):
        return read_image(Path(source), orientation, pixel_limit)
    if address.scheme == "file":
        path = Path(url2pathname(address.path))
        return read_image(path, orientation, pixel_limit)
    encoded = fetched(str(source))
    try:
        return decode(encoded, Reading(orientation, pixel_limit))
    except InputError as error:
        raise InputError(f"{source}: {error}.") from None


def fetched(url: str) -> bytes:
    """What lies at an address of the web.

    It is asked for once: somebody waits for the answer. Readers of very many files
    (`hrnet_tf.data.stores`) try again.

    Raises:
        InputError: if it cannot be had.
    """
    agent = {"User-Agent": f"hrnet_tf/{__version__}"}
    try:
        with urlopen(Request(url, headers=agent), timeout=TIMEOUT) as answer:
            encoded = answer.read(LARGEST + 1)
    except HTTPError as error:
        raise InputError(
            f"{url} cannot be fetched, the server says {error.code} {error.reason}."
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"{url} cannot be fetched: {error}.") from error
    if len(encoded) > LARGEST:
        raise InputError(f"{url} is larger than {LARGEST >> 20} MiB.")
    return encoded
