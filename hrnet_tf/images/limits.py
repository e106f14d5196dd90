"""What served models refuse."""

from dataclasses import dataclass

from hrnet_tf.images.boxes import REACH


@dataclass(frozen=True)
class Limits:
    """What requests for a SavedModel may ask.

    More is refused before anything is decoded, so that no request takes a server's
    memory.

    Attributes:
        side: pixels along an image's longer side.
        pixels: of one image; where the network sees all of it, at the size that it
            sees too.
        images: in a batch, of normalised ones too.
        people: in a batch, whom the boxes say; 0 where there are no boxes.
        reach: how far a box may go beyond its image, in lengths of the image's longer
            side; see `hrnet_tf.images.boxes`.
    """

    side: int
    pixels: int
    images: int
    people: int = 0
    reach: float = REACH
