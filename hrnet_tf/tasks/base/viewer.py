"""What differs between tasks when files are looked at: what is found and drawn."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import Orientation

NOT_FINITE = (
    "The model's answers are not finite numbers: its training has gone wrong, or its "
    "file is damaged; take another run or export."
)


class Viewer(ABC):
    """Looks at images: what differs between tasks.

    Attributes:
        entries: what it has found, for a JSON file.
        file_name: of that file.
        predictor: finds it.

    Args:
        predictor: finds what is to be drawn and written.
        settings: a configuration's `evaluate`; None: the defaults.
    """

    file_name: ClassVar[str]
    predictor: Any

    def __init__(self, predictor: Any, *, settings: Any = None):
        self.predictor = predictor
        self.settings = settings
        self.entries: list[dict[str, Any]] = []

    def prepare(self, files: Sequence[Path]) -> list[int | str]:
        """The ids of image files that are going to be looked at; see `ids_by_name`."""
        return ids_by_name(files)

    def prepare_video(self, video: Path) -> None:  # noqa: B027  (most need not)
        """Get ready for the frames of a video; their ids are numbers from 0."""

    def check(self, path: Path, image_id: int | str, image: np.ndarray) -> None:  # noqa: B027
        """Raise an InputError if an image is not the one that its id says."""

    def finish(self) -> None:  # noqa: B027  (most have nothing to say)
        """Tell what only shows when all images have been looked at."""

    @property
    def together(self) -> int:
        """How many images `see` is given at once."""
        return 1

    def see(self, images: Sequence[np.ndarray]) -> None:  # noqa: B027  (most need not)
        """See the images that are looked at next, uint8 RGB, all at once."""

    @property
    def orientation(self) -> Orientation:
        """How image files are turned for the predictor."""
        return self.predictor.manifest.input.orientation

    @abstractmethod
    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Look at an image, uint8 RGB; gives it with the findings drawn on it."""

    @abstractmethod
    def count(self) -> str:
        """How much was found, in words."""

    def look_ahead(  # noqa: B027  (most do not)
        self, images: Iterable[np.ndarray], frames: bool
    ) -> None:
        """Look ahead, before the first image.

        Args:
            images: some of what is to come, uint8 RGB, read only if asked for.
            frames: whether they are those of a video, whose pictures must be alike.
        """

    def write_more(self, folder: Path, stem: str) -> None:  # noqa: B027  (most do not)
        """Write what else is known of the last image, under names that begin so."""


def ids_by_name(files: Sequence[Path], taken: Container[int] = ()) -> list[int | str]:
    """Ids of image files: the number that a name is, if no other is it, else the name.

    Args:
        files: the images.
        taken: numbers that are ids already.
    """
    numbers = [int(p.stem) if p.stem.isdecimal() else None for p in files]
    times = Counter(numbers)
    return [
        path.name if number is None or times[number] > 1 or number in taken else number
        for path, number in zip(files, numbers, strict=True)
    ]


def check_finite(*values: np.ndarray) -> None:
    """Raise an InputError if a model has answered with NaN or infinity."""
    if not all(np.isfinite(each).all() for each in values):
        raise InputError(NOT_FINITE)
