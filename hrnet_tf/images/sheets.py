"""Pictures put together: sheets of many, strips below, legends, bars of colours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import (
    ALARM,
    FRAME,
    INK,
    PAPER,
    SMALLEST,
    Color,
    draw_text,
    line_height,
    shortened,
    text_width,
)

COLUMNS = 8  # of a sheet of training samples
UNKNOWN = (150, 150, 150)  # RGB of numbers that nothing is known of
GAP = 6  # pixels between the pictures of a sheet
LEAST = 320  # pixels along the longer side of a picture that people look at
MOST = 1600  # ... of one that stands beside others
NARROWEST = 320  # pixels that a strip with text needs


@dataclass(frozen=True)
class Tile:
    """A picture on a sheet.

    Attributes:
        image: uint8 RGB, of any size.
        caption: a line below it; what does not fit is cut with an ellipsis.
        alarming: whether the caption tells of a mistake, and is red.
    """

    image: np.ndarray
    caption: str = ""
    alarming: bool = False


@dataclass(frozen=True)
class Entry:
    """A line of a legend.

    Attributes:
        name: what it stands for.
        swatch: uint8 RGB `(n, n, 3)`, what it looks like; see `swatch_side`.
    """

    name: str
    swatch: np.ndarray


def contact_sheet(
    images: Sequence[np.ndarray | Tile],
    columns: int,
    side: int = 256,
    legend: Callable[[int], np.ndarray] | None = None,
) -> np.ndarray:
    """Pictures in rows on paper, each fitted into a square and as large as it can be.

    A row is as high as its highest picture, a column as wide as its widest.

    Args:
        images: uint8 RGB, of any sizes, or tiles with captions.
        columns: pictures a row, at most.
        side: of the squares, in pixels.
        legend: makes a strip to put below, uint8 RGB, of this width.

    Returns:
        uint8 RGB; a note on paper if there is no picture.
    """
    tiles = [image if isinstance(image, Tile) else Tile(image) for image in images]
    if not tiles:
        return _note("nothing to show", side)
    line = line_height(SMALLEST) if any(tile.caption for tile in tiles) else 0
    columns = min(columns, len(tiles))
    fitted = [fit(tile.image, side) for tile in tiles]
    rows = [fitted[start : start + columns] for start in range(0, len(tiles), columns)]
    widths = [
        max(image.shape[1] for image in fitted[column::columns])
        for column in range(columns)
    ]
    if line:  # captions of narrow pictures need some place too
        widths = [max(width, side // 2) for width in widths]
    heights = [max(image.shape[0] for image in row) + line for row in rows]
    sheet = _paper(
        sum(heights) + GAP * (len(rows) + 1), sum(widths) + GAP * (columns + 1)
    )
    for number, (tile, image) in enumerate(zip(tiles, fitted, strict=True)):
        row, column = divmod(number, columns)
        top = sum(heights[:row]) + GAP * (row + 1)
        left = sum(widths[:column]) + GAP * (column + 1)
        x = left + (widths[column] - image.shape[1]) // 2
        y = top + (heights[row] - line - image.shape[0]) // 2
        sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
        caption = shortened(tile.caption, SMALLEST, widths[column])
        below = left, top + heights[row] - line
        color = ALARM if tile.alarming else INK
        draw_text(sheet, caption, below, SMALLEST, color)
    return stacked(sheet, legend(sheet.shape[1])) if legend else sheet


def fit(image: np.ndarray, side: int) -> np.ndarray:
    """An image made larger or smaller, so that its longer side has so many pixels."""
    scale = side / max(image.shape[:2])
    size = [
        max(1, round(length * scale)) for length in (image.shape[1], image.shape[0])
    ]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=kind)


def enlargement(shape: tuple[int, ...], least: int = LEAST) -> int:
    """The whole number that makes a small picture large enough to look at."""
    return max(1, -(-least // max(shape[:2])))


def enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    """An image with each pixel as a square of so many; a copy in any case."""
    return np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)


def enlarged_points(points: np.ndarray, factor: int) -> np.ndarray:
    """Points of an image, counted from the middle of a pixel, in `enlarged`."""
    return points * factor + (factor - 1) / 2


def stacked(*parts: np.ndarray) -> np.ndarray:
    """Pictures below one another, the narrower ones on paper."""
    width = max(part.shape[1] for part in parts)
    rows = []
    for part in parts:
        row = _paper(part.shape[0], width)
        row[:, : part.shape[1]] = part
        rows.append(row)
    return np.concatenate(rows)


def beside(*parts: np.ndarray) -> np.ndarray:
    """Pictures beside one another with a gap, the lower ones on paper."""
    sheet = _paper(
        max(part.shape[0] for part in parts),
        sum(part.shape[1] for part in parts) + GAP * (len(parts) - 1),
    )
    left = 0
    for part in parts:
        sheet[: part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + GAP
    return sheet


def strip(
    lines: Sequence[str], width: int, size: int, color: Color = INK
) -> np.ndarray:
    """Lines of text on paper.

    Args:
        lines: what does not fit is cut with an ellipsis.
        width: in pixels; a narrow one is made wide enough for some text.
        size: of the letters, in pixels.
        color: of the letters, RGB.
    """
    width, high = max(width, NARROWEST), line_height(size)
    paper, margin = _paper(high * len(lines) + size // 2, width), size // 2
    for number, line in enumerate(lines):
        text = shortened(line, size, width - 2 * margin)
        place = margin, number * high + size // 4
        draw_text(paper, text, place, size, color)
    return paper


def swatch_side(size: int) -> int:
    """Pixels along a swatch of a legend with letters of this size."""
    return round(1.1 * size)


def legend_strip(
    entries: Sequence[Entry], width: int, size: int, lines: int | None = None
) -> np.ndarray:
    """What colours mean: framed swatches with their names, on paper.

    Args:
        entries: in their order.
        width: in pixels; a narrow one is made wide enough for some text.
        size: of the letters, in pixels.
        lines: how many there are, whatever there is to say; what does not fit into
            them is counted in the last one. None: as many as are needed.

    Returns:
        uint8 RGB.
    """
    width, high, side = max(width, NARROWEST), line_height(size), swatch_side(size)
    widest = min(width - side - 2 * size, max(NARROWEST, width // 2))
    names = [shortened(entry.name, size, widest) for entry in entries]
    places, x, row = [], size // 2, 0
    for name in names:
        needed = side + size // 2 + text_width(name, size) + size
        if x > size // 2 and x + needed > width:
            x, row = size // 2, row + 1
        places.append((x, row))
        x += needed
    more = ""
    if lines is not None and row >= lines:
        kept = sum(row < lines for _, row in places)
        # The last of those that fit makes room for the number of the others.
        kept = max(1, kept - 1)
        places, more = places[:kept], f"+ {len(entries) - kept} more"
    paper = _paper(high * (lines or row + 1) + size // 2, width)
    for entry, name, (left, number) in zip(entries, names, places, strict=False):
        top = number * high + size // 4
        y = top + (high - side) // 2
        paper[y : y + side, left : left + side] = cv2.resize(
            entry.swatch, (side, side), interpolation=cv2.INTER_NEAREST
        )
        corner = left + side - 1, y + side - 1
        cv2.rectangle(paper, (left, y), corner, FRAME, max(1, size // 16))
        draw_text(paper, name, (left + side + size // 3, top), size)
    if more:
        left, number = places[-1]
        left += side + size // 2 + text_width(names[len(places) - 1], size) + size
        draw_text(paper, more, (left, number * high + size // 4), size)
    return paper


def color_bar(
    title: str, numbers: tuple[str, str, str], colors: np.ndarray, width: int, size: int
) -> np.ndarray:
    """A bar of all colours with the lowest, the middle and the highest number.

    Args:
        title: a line below the numbers.
        numbers: as text.
        colors: uint8 RGB `(1, n, 3)`, from the lowest to the highest.
        width: in pixels; a narrow one is made wide enough for the numbers.
        size: of the letters, in pixels.
    """
    width, high = max(width, NARROWEST), line_height(size)
    paper = _paper(size + 2 * high + size // 2, width)
    bar = cv2.resize(colors, (width, size), interpolation=cv2.INTER_NEAREST)
    paper[:size] = bar
    cv2.rectangle(paper, (0, 0), (width - 1, size - 1), FRAME, 1)
    wide = [text_width(number, size) for number in numbers]
    places = 2, (width - wide[1]) // 2, width - wide[2] - 2
    for number, left in zip(numbers, places, strict=True):
        draw_text(paper, number, (left, size), size)
    left = max(2, (width - text_width(title, size)) // 2)
    draw_text(paper, title, (left, size + high), size)
    return paper


def _paper(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)


def _note(text: str, side: int) -> np.ndarray:
    paper = _paper(side // 2, side)
    draw_text(paper, text, (GAP, side // 4 - SMALLEST), SMALLEST)
    return paper
