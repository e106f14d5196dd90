"""Text in pictures: of any script that a font is there for, never beyond the edge."""

import logging
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

logger = logging.getLogger(__name__)

# RGB of what surrounds pictures: paper, letters, letters that warn, frames.
PAPER, INK, ALARM, FRAME = (246, 246, 246), (25, 25, 25), (190, 20, 20), (110, 110, 110)
ELLIPSIS = "…"
SMALLEST = 13  # letters' size in pixels that can still be read
FAMILY = "DejaVu Sans"  # comes with Matplotlib

Color = tuple[int, int, int]


def letter_size(width: int) -> int:
    """A size of letters, in pixels, that suits a picture of this width."""
    return max(SMALLEST, round(width / 60))


def line_height(size: int) -> int:
    """What a line of letters of this size needs, in pixels."""
    return round(1.4 * size)


def text_width(text: str, size: int) -> int:
    """How wide a text is, in pixels."""
    text = _plain(text)
    return int(np.ceil(_font(font_file(text), size).getlength(text)))


def shortened(text: str, size: int, width: int) -> str:
    """A text, or as much of it as fits into a width, with an ellipsis.

    Args:
        text: of one line.
        size: of the letters, in pixels.
        width: what there is, in pixels.
    """
    text = _plain(text)
    if text_width(text, size) <= width:
        return text
    kept, length = 0, len(text)
    while kept < length:  # the longest beginning that fits, by halving
        middle = (kept + length + 1) // 2
        if text_width(text[:middle].rstrip() + ELLIPSIS, size) <= width:
            kept = middle
        else:
            length = middle - 1
    return text[:kept].rstrip() + ELLIPSIS if kept else ""


def draw_text(
    canvas: np.ndarray, text: str, place: tuple[int, int], size: int, color: Color = INK
) -> None:
    """Write a line onto a picture; what would run out of it is cut with an ellipsis.

    Args:
        canvas: uint8 RGB, `(height, width, 3)`; is written on.
        text: of one line, of any script.
        place: x and y of the upper left corner of a line that is `line_height` high.
        size: of the letters, in pixels.
        color: RGB.
    """
    left, top = max(0, place[0]), max(0, place[1])
    text = shortened(text, size, canvas.shape[1] - left)
    part = canvas[top : top + line_height(size), left : left + text_width(text, size)]
    if not part.size:
        return
    letters = Image.new("L", (part.shape[1], part.shape[0]))
    font = _font(font_file(text), size)
    baseline = 0, round(1.08 * size)
    ImageDraw.Draw(letters).text(baseline, text, fill=255, font=font, anchor="ls")
    share = np.asarray(letters, np.float32)[..., None] / 255
    part[:] = np.round(part + share * (np.array(color, np.float32) - part))


def font_families(texts: Iterable[str]) -> list[str]:
    """Families of fonts, for Matplotlib, that have the characters of all these texts.

    Args:
        texts: what is to be written.
    """
    from matplotlib.font_manager import FontProperties

    files = dict.fromkeys(font_file(_plain(text)) for text in texts)
    found = (FontProperties(fname=file).get_name() for file in files)
    return list(dict.fromkeys([FAMILY, *found]))


def font_file(text: str) -> str:
    """The font to write a text with: Matplotlib's own, or another of this machine.

    That no font has all of its characters is said once.
    """
    missing = frozenset(text) - _characters(_own_font()) - {" "}
    return _font_that_has(missing) if missing else _own_font()


def _plain(text: str) -> str:
    """On one line, without what no font shows."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


@lru_cache
def _own_font() -> str:
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    if file.is_file():
        return str(file)
    # Packages of some systems leave it out, as the system has it elsewhere.
    from matplotlib.font_manager import findfont

    return findfont(FAMILY)


@lru_cache(maxsize=16)
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


@lru_cache(maxsize=64)
def _characters(file: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    return frozenset(map(chr, FT2Font(file).get_charmap()))


@lru_cache(maxsize=256)
def _font_that_has(wanted: frozenset[str]) -> str:
    from matplotlib.font_manager import fontManager

    for entry in fontManager.ttflist:
        try:
            if wanted <= _characters(entry.fname):
                return entry.fname
        except (OSError, RuntimeError):  # a font that FreeType cannot read
            continue
    logger.warning(
        "no font on this machine has the characters %s: pictures show boxes in their "
        "place; install a font for their script (such as fonts-noto-cjk)",
        " ".join(sorted(wanted)[:8]),
    )
    return _own_font()
