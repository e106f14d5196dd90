"""How image files are taken: turned or not, and how large they may be."""

from dataclasses import dataclass
from typing import Literal, get_args

from hrnet_tf.common.errors import InputError

# As viewers show them, turned by their EXIF tag; or as their pixels are stored.
Orientation = Literal["upright", "stored"]

# Pixels of an image; Pillow refuses more, too.
PIXEL_LIMIT = 178_956_970

LARGEST = 1 << 28  # bytes of a file from the web


@dataclass(frozen=True)
class Reading:
    """How image files are taken.

    Attributes:
        orientation: `"upright"`, as viewers show them, or `"stored"`.
        pixel_limit: of an image, a mask or a map; larger ones are refused before they
            are decoded.
    """

    orientation: Orientation = "upright"
    pixel_limit: int = PIXEL_LIMIT

    def __post_init__(self):
        if self.orientation not in get_args(Orientation):
            raise InputError(
                f"The orientation must be one of {', '.join(get_args(Orientation))}, "
                f"got {self.orientation!r}."
            )


UPRIGHT = Reading()
