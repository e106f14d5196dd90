"""Labels of pixels, drawn on images, and what their colours mean."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.common.files import write_bytes
from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import (
    PAPER,
    letter_size,
)
from hrnet_tf.images.png import to_indexed
from hrnet_tf.images.sheets import (
    UNKNOWN,
    Entry,
    enlarged,
    enlargement,
    legend_strip,
    stacked,
    swatch_side,
)
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.result import LabelMap

LEAST_SHARE = 0.001  # of an image, that a class in its legend covers
NOT_COUNTED = "does not count"


def draw_labels(
    image: np.ndarray,
    answer: LabelMap,
    opacity: float = 0.6,
    legend: bool = True,
    lines: int | None = None,
) -> np.ndarray:
    """Colour an image by what its pixels show.

    The background is left as it is (see `ClassSet.background_index`); what does not
    count, labels that are none of the classes, is hatched in grey.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        answer: labels of the same height and width.
        opacity: of the colours, 0 to 1.
        legend: whether to write what the colours mean on a strip below, of all classes
            that cover at least a thousandth of the image, the largest first.
        lines: how many that strip has, in the order of the classes, whatever is seen:
            frames of a video must be alike. None: as many as are needed.

    Returns:
        uint8 RGB of the same shape; with the legend, higher, and small images larger.
    """
    classes, labels = answer.classes, answer.labels
    if legend:
        factor = enlargement(image.shape)
        image, labels = enlarged(image, factor), enlarged(labels, factor)
    counted = labels < len(classes)
    colors = classes.colors[np.where(counted, labels, 0)]
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    period = max(6, max(labels.shape) // 60)
    hatched = ~counted & ((x + y) % period < period // 2)
    colors = np.where(hatched[..., None], np.uint8(UNKNOWN[0]), colors)
    colored = counted | hatched
    if classes.background_index is not None:
        colored &= labels != classes.background_index
    blended = cv2.addWeighted(
        np.ascontiguousarray(image), 1 - opacity, colors.astype(np.uint8), opacity, 0
    )
    canvas = np.where(colored[..., None], blended, image)
    if not legend:
        return canvas
    return stacked(canvas, labels_legend([labels], classes, canvas.shape[1], lines))


def write_labels(path: str | Path, labels: np.ndarray, classes: ClassSet) -> None:
    """Write labels as an indexed PNG: values are labels, colours those of the classes.

    Args:
        path: the file.
        labels: uint8 `(height, width)`.
        classes: what they mean.
    """
    write_bytes(path, encode_labels(labels, classes))


def encode_labels(labels: np.ndarray, classes: ClassSet) -> bytes:
    """Labels as an indexed PNG; see `write_labels`."""
    grey = cv2.imencode(".png", labels)[1].tobytes()
    return to_indexed(grey, classes.colors.tobytes())


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
