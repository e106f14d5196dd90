"""Viewers whose work has steps: several images are seen at once, drawing follows."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.base.viewer import Viewer

TOGETHER = 8  # images that are looked at at once


@dataclass(frozen=True)
class Shown:
    """An image that is looked at.

    Attributes:
        name: of its file, or of the video.
        image_id: of the image.
        image: uint8 RGB, `(height, width, 3)`.
    """

    name: str
    image_id: int | str
    image: np.ndarray


class FindingViewer(Viewer):
    """Looks at images in steps: the network finds, entries are noted, pictures drawn.

    Whoever asks for the steps themselves may show several images at once, and draw in
    other threads while the network looks at the next ones; `look` does all of it for
    one image.
    """

    _last: Any = None

    @property
    def together(self) -> int:
        """How many images `find` is given at once."""
        return TOGETHER

    @abstractmethod
    def find(self, shown: Sequence[Shown]) -> list[Any]:
        """What is found in each of several images.

        Raises:
            InputError: if one of them cannot be looked at; see `found_in`.
        """

    @abstractmethod
    def note(self, shown: Shown, found: Any) -> None:
        """Add what was found in an image to the entries."""

    @abstractmethod
    def draw(self, image: np.ndarray, found: Any) -> np.ndarray:
        """A picture of what was found, uint8 RGB; any thread may ask for it."""

    def write_found(self, folder: Path, stem: str, found: Any) -> None:
        """Write what else was found, under names that begin so; see `write_more`."""

    def look(self, name: str, image_id: int | str, image: np.ndarray) -> np.ndarray:
        """Look at an image, uint8 RGB; gives it with the findings drawn on it."""
        shown = Shown(name, image_id, image)
        (self._last,) = self.find([shown])
        self.note(shown, self._last)
        return self.draw(image, self._last)

    def write_more(self, folder: Path, stem: str) -> None:
        """Write what else is known of the last image, under names that begin so."""
        if self._last is not None:
            self.write_found(folder, stem, self._last)


def found_in(viewer: FindingViewer, shown: Sequence[Shown]) -> Iterator[Any]:
    """What a viewer finds in images: in all at once, if none of them is at fault.

    Raises:
        InputError: of the first image that cannot be looked at, once what was found in
            those before it has been taken.
    """
    try:
        found = viewer.find(shown)
    except InputError:
        if len(shown) == 1:
            raise
        for each in shown:
            yield from viewer.find([each])
        return
    yield from found
