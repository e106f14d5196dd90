"""Segments drawn on images: each thing by itself, and what the colours mean."""

from collections.abc import Sequence

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import letter_size
from hrnet_tf.images.sheets import (
    UNKNOWN,
    Entry,
    enlarged,
    enlargement,
    legend_strip,
    stacked,
    swatch_side,
)
from hrnet_tf.tasks.panoptic.classes import shades
from hrnet_tf.tasks.panoptic.result import PanopticMap
from hrnet_tf.tasks.panoptic.segments import CROWD, DIVISOR, VOID

EDGE = (255, 255, 255)  # RGB of what parts segments
NOTHING_KNOWN = "void"


def draw_panoptic(
    image: np.ndarray,
    answer: PanopticMap,
    opacity: float = 0.6,
    legend: bool = True,
    lines: int | None = None,
) -> np.ndarray:
    """Colour an image by its segments, white lines between them.

    A class has one colour, its things are shades of it; void is grey.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        answer: segments of the same height and width.
        opacity: of the colours, 0 to 1.
        legend: whether to write on a strip below what the colours mean.
        lines: how many that strip has, whatever is seen: frames of a video must be
            alike. None: as many as are needed.

    Returns:
        uint8 RGB of the same shape; with the legend, higher, and small images larger.
    """
    segments = answer.segments
    if legend:
        factor = enlargement(image.shape)
        image, segments = enlarged(image, factor), enlarged(segments, factor)
    canvas = cv2.addWeighted(
        np.ascontiguousarray(image), 1 - opacity, _colored(segments, answer), opacity, 0
    )
    edges = np.zeros(segments.shape, bool)
    edges[:, 1:] = segments[:, 1:] != segments[:, :-1]
    edges[1:] |= segments[1:] != segments[:-1]
    canvas[edges] = EDGE
    if not legend:
        return canvas
    return stacked(canvas, segments_legend([answer], canvas.shape[1], lines))


def segments_legend(
    answers: Sequence[PanopticMap],
    width: int,
    lines: int | None = None,
    size: int | None = None,
) -> np.ndarray:
    """A strip that says what the colours of segments mean, of classes that occur.

    Args:
        answers: of images that are shown, of the same classes; at least one.
        width: in pixels.
        lines: see `draw_panoptic`.
        size: of the letters, in pixels; None: what suits the width.
    """
    size = size or letter_size(width)
    side, classes = swatch_side(size), answers[0].classes
    counts = np.sum([_counts(answer) for answer in answers], axis=0)
    entries = []
    for label in np.flatnonzero(counts[:-1]):
        name, count = classes.names[label], counts[label]
        # Numbers that change from frame to frame would make a video restless.
        if classes.are_things[label] and lines is None:
            name = f"{name} {count}"
        swatch = np.full((side, side, 3), classes.colors[label], np.uint8)
        entries.append(Entry(name, swatch))
    if counts[-1]:
        swatch = np.full((side, side, 3), UNKNOWN, np.uint8)
        entries.append(Entry(NOTHING_KNOWN, swatch))
    return legend_strip(entries, width, size, lines)


def _counts(answer: PanopticMap) -> np.ndarray:
    """How many segments there are of each class, and whether there is void."""
    labels = [each.label for each in answer.listed]
    counts = np.bincount(labels, minlength=len(answer.classes))
    return np.append(counts, int((answer.segments == VOID).any()))


def _colored(segments: np.ndarray, answer: PanopticMap) -> np.ndarray:
    """The colour of each pixel, uint8 `(height, width, 3)`."""
    values, places = np.unique(segments, return_inverse=True)
    table = np.empty((len(values), 3), np.uint8)
    for row, value in enumerate(values):
        label, number = divmod(int(value), DIVISOR)
        if value == VOID:
            table[row] = UNKNOWN
        else:
            color = answer.classes.colors[label].tolist()
            table[row] = shades(color, 0 if number == CROWD else number)
    return table[places.reshape(segments.shape)]
