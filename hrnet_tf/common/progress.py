"""Bars on a terminal, and nothing that moves where output goes to a file."""

import sys
from collections.abc import Iterable
from typing import IO, Any

from tqdm import tqdm


def progress_bar(
    iterable: Iterable[Any] | None = None, *, shown: bool = True, **settings: Any
) -> tqdm:
    """A `tqdm` bar on the terminal; none where standard error goes to a file.

    Args:
        iterable: what to go through.
        shown: whether there shall be one at all.
        settings: those of `tqdm`.
    """
    return tqdm(iterable, disable=not (shown and moves(sys.stderr)), **settings)


def moves(stream: IO[str]) -> bool:
    """Whether what is printed can be printed over: on terminals and in notebooks."""
    return stream.isatty() or "ipykernel" in sys.modules
