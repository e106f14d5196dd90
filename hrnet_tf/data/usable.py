"""A quick look before training: whether there is anything to learn or to judge by.

Reads until that is sure, which is after a sample or two unless the data are no good.
"""

import logging
from collections.abc import Mapping
from typing import NoReturn

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.problems import BrokenImages

logger = logging.getLogger(__name__)


def unreadable(total: int, broken: BrokenImages) -> str:
    """That none of so many samples can be read."""
    such = min(broken.found, default="")
    return f"none of {total} samples can be read" + (
        f", such as {such}" if such else ""
    )


def warn_of_unseen(counts: Mapping[str, int], where: str) -> None:
    """Name what never occurs: nothing can be learnt of it."""
    if unseen := never_seen(counts):
        logger.warning("%s: %s", where, unseen)


def never_seen(counts: Mapping[str, int]) -> str:
    """What of what is counted never occurs, as a line; nothing: everything does."""
    unseen = [name for name, count in counts.items() if not count]
    return f"never seen: {', '.join(unseen)}" if unseen else ""


def refuse(where: str, problem: str) -> NoReturn:
    """Raise an InputError that says where there is a problem, and which."""
    raise InputError(f"{where}: {problem}.")
