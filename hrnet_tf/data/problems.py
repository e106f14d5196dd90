"""What to do about broken samples: stop, or go on without them and count."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Literal

import tensorflow as tf

from hrnet_tf.common.errors import InputError

Policy = Literal["stop", "skip"]

logger = logging.getLogger(__name__)


class Problems:
    """Collects what is broken in a data set; then stops, or goes on with a count.

    Args:
        where: names the data set in the report, such as its annotation file.
        policy: `"stop"` or `"skip"`.
    """

    SHOWN = 10

    def __init__(self, where: str, policy: Policy):
        self.where = where
        self.policy = policy
        self.found: list[str] = []

    def add(self, problem: str) -> None:
        """Note one broken sample; `problem` names its file and id."""
        self.found.append(problem)

    def settle(self, kept: int) -> None:
        """Report what was found.

        Args:
            kept: how many good samples there are.

        Raises:
            InputError: if something is broken and the policy is to stop, or nothing is
                left.
        """
        lines = self.found[: self.SHOWN]
        if len(self.found) > self.SHOWN:
            lines.append(f"and {len(self.found) - self.SHOWN} more")
        listed = "".join(f"\n  {line}" for line in lines)
        if not kept:
            raise InputError(f"{self.where} holds nothing to work with.{listed}")
        if self.found and self.policy == "stop":
            raise InputError(
                f"{self.where}: {len(self.found)} broken samples (data.on_error=skip "
                f"goes on without them):{listed}"
            )
        if self.found:
            logger.warning(
                "%s: %d broken samples skipped, %d kept:%s",
                self.where,
                len(self.found),
                kept,
                listed,
            )


class BrokenImages:
    """Images that turn out to be broken when they are read, on whichever thread.

    Args:
        policy: `"stop"` or `"skip"`.

    Attributes:
        found: what was skipped so far, each once.
        failure: what stopped the reading.
    """

    def __init__(self, policy: Policy):
        self.policy = policy
        self.found: set[str] = set()
        self.failure: InputError | None = None
        self._lock = threading.Lock()

    def add(self, problem: str) -> None:
        """Note one; `problem` names its file.

        Raises:
            InputError: if the policy is to stop.
        """
        if self.policy == "stop":
            self.failure = InputError(
                f"{problem} (data.on_error=skip goes on without it)."
            )
            raise self.failure
        with self._lock:
            if problem not in self.found:
                self.found.add(problem)
                logger.warning("skipped %s; %d so far", problem, len(self.found))

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """In here a failure is an InputError, not what TensorFlow makes of it."""
        try:
            yield
        except tf.errors.OpError:
            if self.failure is None:
                raise
            raise self.failure from None
