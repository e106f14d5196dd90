"""People to cut out of images, in columns, and what to do about broken ones."""

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hrnet_tf.errors import InputError

# What to do about broken samples.
Policy = Literal["stop", "skip"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class People:
    """Samples of top-down pose: one row a person.

    Attributes:
        files: `(n,)`, path of each person's image.
        image_ids: int64 `(n,)`.
        sources: `(n,)`, what to call each sample in messages, such as `annotation 12`.
        image_sizes: int64 `(n, 2)`, height and width as annotated.
        boxes: float64 `(n, 4)`, x, y, width, height in image pixels.
        scores: float64 `(n,)`, of the boxes; 1 for annotated ones.
        keypoints: float64 `(n, keypoints, 3)`, x, y in image pixels and weight (0: not
            annotated); all zero for detected boxes.
    """

    files: np.ndarray
    image_ids: np.ndarray
    sources: np.ndarray
    image_sizes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    keypoints: np.ndarray

    def __len__(self) -> int:
        return len(self.files)

    def take(self, index: np.ndarray) -> "People":
        """These rows, in this order."""
        return People(**{name: column[index] for name, column in vars(self).items()})


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
            raise InputError(f"{self.where} holds no person to work with.{listed}")
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
