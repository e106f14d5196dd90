"""Maps of numbers for training: read in their unit, cut out with their images."""

from dataclasses import dataclass

import numpy as np

from hrnet_tf.tasks.dense.augment import Cut, cut_nearest
from hrnet_tf.tasks.dense.pipeline import PairReader
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.config import MapSection
from hrnet_tf.tasks.regression.maps import MappedImages, read_map


@dataclass
class MapReader(PairReader):
    """Reads images and maps, float32 `(height, width, channels)`, NaN: not known.

    See `PairReader`.

    Example:
        ```python
        section = MapSection(root="rooms", targets="depth", unit_size=0.001, missing=0)
        training, validation = open_maps(section)
        image, depth = MapReader(validation, section).read(0)
        ```
    """

    images: MappedImages
    section: MapSection

    @property
    def meaning(self) -> bytes:
        """What stored numbers stand for."""
        section = self.section
        facts = len(self.images.channels), section.unit_size, section.missing
        return repr(facts).encode()

    def blank(self, size: tuple[int, int]) -> np.ndarray:
        """A map of which nothing is known."""
        return np.full((*size, len(self.images.channels)), np.nan, np.float32)

    def read_target(self, path: str) -> np.ndarray:
        """Read a map; see `read_map`."""
        return read_map(path, self.section)

    def cut_target(self, target: np.ndarray, cut: Cut, out: np.ndarray) -> None:
        """Cut a map out; see `cut_map`."""
        cut_map(target, cut, self.images.channels, out)


def cut_map(
    values: np.ndarray, cut: Cut, channels: ChannelSet, out: np.ndarray
) -> None:
    """Cut a crop out of a map: the nearest number of each pixel.

    Args:
        values: float32 `(height, width, channels)`.
        cut: what to cut out.
        channels: say which change their sign in a mirror, or follow the image's size.
        out: float32 `(crop height, crop width, channels)`, NaN; gets the crop. What
            lies outside the image stays as it is.
    """
    cut_nearest(values, cut, out)
    factors = channels.enlarged(max(cut.resized) / max(values.shape[:2]))
    out *= factors * channels.signs if cut.flip else factors
