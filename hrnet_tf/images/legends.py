"""Legends of pictures: what the colours of labels and of numbers mean."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import PAPER, SMALLEST, letter_size
from hrnet_tf.images.sheets import (
    NARROWEST,
    Entry,
    beside,
    color_bar,
    legend_strip,
    swatch_side,
)
from hrnet_tf.tasks.segmentation.classes import ClassSet

UNKNOWN = (150, 150, 150)  # RGB of numbers that nothing is known of
LEAST_SHARE = 0.001  # of an image, that a class in its legend covers
NOT_COUNTED = "does not count"

Span = tuple[float, float]


def labels_legend(
    maps: Sequence[np.ndarray],
    classes: ClassSet,
    width: int,
    lines: int | None = None,
    size: int | None = None,
) -> np.ndarray:
    """A strip that says what the colours of labels mean, of those that occur.

    Args:
        maps: labels, uint8 `(height, width)` each; others than the classes' do not
            count.
        classes: what they mean.
        width: in pixels.
        lines: see `draw_labels`.
        size: of the letters, in pixels; None: what suits the width.
    """
    parts = [np.bincount(labels.ravel(), minlength=256) for labels in maps]
    counts = np.sum(parts, axis=0)
    total = max(1, int(counts.sum()))
    size = size or letter_size(width)
    seen = [i for i in range(len(classes)) if counts[i] >= LEAST_SHARE * total]
    if lines is None:
        seen.sort(key=lambda index: -counts[index])
    entries = []
    for index in seen:
        percent = 100 * counts[index] / total
        share = f"{percent:.0f} %" if percent >= 1 else "< 1 %"
        # Numbers that change from frame to frame would make a video restless.
        name = classes.names[index] if lines else f"{classes.names[index]} {share}"
        entries.append(Entry(name, _swatch(classes, index, size)))
    if counts[len(classes) :].any():
        entries.append(Entry(NOT_COUNTED, _swatch(classes, None, size)))
    return legend_strip(entries, width, size, lines)


def _swatch(classes: ClassSet, index: int | None, size: int) -> np.ndarray:
    """What a class looks like on paper; the background: chequered; None: hatched."""
    side = swatch_side(size)
    y, x = np.indices((side, side))
    if index is None:
        period = max(4, side // 3)
        marked = (x + y) % period < period // 2
        return np.where(marked[..., None], UNKNOWN, PAPER).astype(np.uint8)
    if index == classes.background_index:
        marked = (x * 4 // side + y * 4 // side) % 2 == 0
        return np.where(marked[..., None], (200, 200, 200), 255).astype(np.uint8)
    return np.full((side, side, 3), classes.colors[index], np.uint8)


def draw_values(values: np.ndarray, span: Span) -> np.ndarray:
    """Numbers as colours, from dark blue (low) over green to yellow (high).

    Args:
        values: float `(height, width)`; NaN is grey.
        span: the numbers of the lowest and of the highest colour.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    low, high = span
    shares = (values - low) / ((high - low) or 1.0)
    levels = np.round(255 * np.nan_to_num(np.clip(shares, 0, 1))).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return np.where(np.isnan(values)[..., None], UNKNOWN, colors).astype(np.uint8)


def values_legend(title: str, span: Span, width: int, clipped: bool) -> np.ndarray:
    """A strip with all colours of numbers, and what they mean.

    Args:
        title: of the numbers.
        span: of the lowest and of the highest colour.
        width: in pixels.
        clipped: whether numbers beyond have the colours of the ends.
    """
    low, high = span
    below, above = ("≤ ", "≥ ") if clipped else ("", "")
    numbers = (
        below + as_text(low),
        as_text((low + high) / 2),
        above + as_text(high),
    )
    colors = draw_values(np.linspace(0, 1, 256)[None], (0, 1))
    return color_bar(title, numbers, colors, width, letter_size(width))


def as_text(number: float) -> str:
    """A number in three digits, without an exponent where it is readable so."""
    if number and not 1e-3 <= abs(number) < 1e6:
        return f"{number:.2e}"
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def values_legends(
    titles: Sequence[str], spans: Sequence[Span], unknown: str | None = "not known"
) -> np.ndarray:
    """The legends of several channels beside one another, and what grey means."""
    bars = [
        values_legend(title, span, NARROWEST, clipped=True)
        for title, span in zip(titles, spans, strict=True)
    ]
    if unknown is None:
        return beside(*bars)
    side = swatch_side(SMALLEST)
    swatch = np.full((side, side, 3), UNKNOWN, np.uint8)
    return beside(*bars, legend_strip([Entry(unknown, swatch)], 0, SMALLEST))
