"""Files in folders: what is an image or a video by its name, and what is clutter.

Clutter is what systems and programs leave behind unasked, such as `Thumbs.db`, and all
that is hidden: neither samples nor something to complain about.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

IMAGES = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
)
VIDEOS = (
    ".mp4",
    ".avi",
    ".mov",
    ".mkv",
    ".webm",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".ts",
    ".mts",
    ".m2ts",
    ".3gp",
    ".flv",
    ".ogv",
)

# Of Windows, macOS, network drives and archives, in lower case.
CLUTTER = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "__macosx",
        "@eadir",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    }
)


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or left behind by a system."""
    return name.startswith((".", "~$")) or name.lower() in CLUTTER


def is_image(name: str) -> bool:
    """Whether a file is an image by its name."""
    return os.path.splitext(name)[1].lower() in IMAGES


def is_video(name: str) -> bool:
    """Whether a file is a video by its name."""
    return os.path.splitext(name)[1].lower() in VIDEOS


def walk(folder: str | Path) -> Iterator[str]:
    """The files in a folder and those below, without clutter, in order.

    Links are followed, but none that lead back to a folder that they lie in: that is
    said once and left out.

    Args:
        folder: where to begin; one that is not there holds nothing.

    Returns:
        Paths that begin with `folder`.
    """
    start = Path(folder).resolve()
    if not start.is_dir():
        return
    yield from _walk(str(folder), [_identity(path) for path in (start, *start.parents)])


def _walk(folder: str, above: list[tuple[int, int]]) -> Iterator[str]:
    """Files below; `above` are the folder itself and all that it lies in."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if is_clutter(entry.name):
            continue
        if not entry.is_dir():
            yield entry.path
            continue
        identity = _identity(entry.path)
        if identity in above:
            logger.warning(
                "%s leads back to a folder that it lies in; left out", entry.path
            )
            continue
        yield from _walk(entry.path, [*above, identity])


def _identity(folder: str | Path) -> tuple[int, int]:
    """The same for all ways that lead to a folder."""
    facts = os.stat(folder)
    return facts.st_dev, facts.st_ino
