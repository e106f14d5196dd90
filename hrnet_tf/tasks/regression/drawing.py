"""Numbers of pixels as colours, and what the colours mean."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import (
    SMALLEST,
    letter_size,
)
from hrnet_tf.images.sheets import (
    MOST,
    NARROWEST,
    UNKNOWN,
    Entry,
    beside,
    color_bar,
    enlarged,
    enlargement,
    fit,
    legend_strip,
    stacked,
    swatch_side,
)
from hrnet_tf.tasks.regression.result import DenseMap

Span = tuple[float, float]


def draw_map(
    image: np.ndarray,
    answer: DenseMap,
    spans: Sequence[Span] | None = None,
    titles: Sequence[str] = (),
) -> np.ndarray:
    """An image, and beside it each channel of a map with the numbers of its colours.

    Args:
        image: uint8 RGB, `(height, width, 3)`; small ones are made larger, huge ones
            smaller.
        answer: numbers of the same height and width; NaN is grey.
        spans: the numbers of the lowest and of the highest colour of each channel;
            None: those of this map.
        titles: of the channels, such as `depth (m)`; empty: their names.

    Returns:
        uint8 RGB, higher than the image by a strip, and wider.
    """
    columns = [_panel(image)]
    for index, title in enumerate(titles or answer.channels):
        values = answer.values[..., index]
        if spans is None:
            known = values[np.isfinite(values)]
            span = (float(known.min()), float(known.max())) if len(known) else (0.0, 1)
        else:
            span = spans[index]
        panel = _panel(draw_values(values, span))
        bar = values_legend(title, span, panel.shape[1], clipped=spans is not None)
        columns.append(stacked(panel, bar))
    return beside(*columns)


def _panel(image: np.ndarray) -> np.ndarray:
    """An image that stands beside others: neither tiny nor huge."""
    if max(image.shape[:2]) > MOST:
        return fit(image, MOST)
    return enlarged(image, enlargement(image.shape))


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
