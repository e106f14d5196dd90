"""At which size an image is looked at: the rule of the official test program."""

from collections.abc import Sequence

STEP = 64  # the sides at the smallest scale are multiples of this


def size_of_look(
    image_size: Sequence[int], short_side: int, scale: float = 1.0, least: float = 1.0
) -> tuple[tuple[int, int], float]:
    """How large an image is looked at whole, and how much of it.

    Args:
        image_size: its height and width.
        short_side: of the network's input at scale 1; it is rounded up to a multiple of
            64, and so is the long side, both at the smallest scale.
        scale: the scale of this look.
        least: the smallest of all scales at which the image is looked at.

    Returns:
        Height and width in pixels of the network's input, and its width in pixels of
        the image, which may be a little more than the image has.
    """
    height, width = (int(side) for side in image_size)
    short = _round_up(least * short_side)
    seen = int(short * scale / least)
    if width < height:
        long = int(_round_up(short / width * height) * scale / least)
        return (long, seen), float(width)
    long = int(_round_up(short / height * width) * scale / least)
    return (seen, long), long / seen * height


def middle_of(image_size: Sequence[int]) -> tuple[int, int]:
    """Column and row of an image's middle, in whole pixels."""
    height, width = (int(side) for side in image_size)
    return int(width / 2 + 0.5), int(height / 2 + 0.5)


def width_to_fit(image_size: Sequence[int], size: tuple[int, int]) -> float:
    """The width in pixels of an image that is seen whole in a height and width."""
    height, width = (int(side) for side in image_size)
    return max(float(width), height * size[1] / size[0])


def _round_up(side: float) -> int:
    return int((side + STEP - 1) // STEP * STEP)
