"""Objects, drawn on images: boxes with their names, and masks."""

import colorsys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import INK, draw_text, line_height, text_width
from hrnet_tf.images.pictures import Color, write_note
from hrnet_tf.images.sheets import enlarged, enlargement
from hrnet_tf.tasks.detection.result import FoundObjects

OPACITY = 0.45  # of masks
LETTERS = 14  # pixels, at least


def class_color(label: int) -> Color:
    """RGB of a class: far from that of the ones before, and light, for dark letters."""
    hue = (0.02 + label * (5**0.5 - 1) / 2) % 1  # by the golden ratio
    light = (0.62, 0.74)[label // 5 % 2]
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_objects(
    image: np.ndarray,
    found: FoundObjects,
    scores: bool = True,
    pixels: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Draw objects on a copy of an image, each in the colour of its class.

    The surest ones lie above. A label stands at the upper left corner of its box, where
    it covers no label of a surer one if there is room.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        found: objects in pixels of the image.
        scores: whether to write how sure each one is.
        pixels: masks of the objects, bool `(height, width)`; None: those that are
            found, if they are looked for.

    Returns:
        uint8 RGB of the same shape.
    """
    canvas = np.ascontiguousarray(image).copy()
    thick = max(1, round(max(canvas.shape[:2]) / 400))
    order = range(len(found) - 1, -1, -1)
    if found.maps is not None or pixels is not None:
        for index in order:
            mask = found.mask(index) if pixels is None else pixels[index]
            _blend(canvas, mask, class_color(int(found.labels[index])))
    corners = [_corners(box) for box in found.boxes]
    for index in order:
        color = class_color(int(found.labels[index]))
        cv2.rectangle(canvas, *corners[index], INK, thick + 2)
        cv2.rectangle(canvas, *corners[index], color, thick)
    size = max(LETTERS, round(max(canvas.shape[:2]) / 70))
    taken: list[tuple[int, int, int, int]] = []
    for index in range(len(found)):
        text = found.names[index]
        text += f" {found.scores[index]:.2f}" if scores else ""
        color = class_color(int(found.labels[index]))
        _write_label(canvas, text, corners[index], size, color, taken)
    return canvas


def show_objects(
    image: np.ndarray, found: FoundObjects, scores: bool = True
) -> np.ndarray:
    """`draw_objects` for people to look at: small images are made larger first.

    An image without any object says so.

    Returns:
        uint8 RGB; its height and width are those of the image times a whole number.
    """
    factor = enlargement(image.shape, 640)
    height, width = image.shape[:2]
    larger = replace(
        found, boxes=found.boxes * factor, size=(height * factor, width * factor)
    )
    canvas = draw_objects(enlarged(image, factor), larger, scores)
    return canvas if len(found) else write_note(canvas, "no objects")


def _blend(canvas: np.ndarray, pixels: np.ndarray, color: Color) -> None:
    """Colour pixels, and draw a line around them."""
    inside = canvas[pixels].astype(np.float32)
    canvas[pixels] = (inside + OPACITY * (np.array(color) - inside)).astype(np.uint8)
    contours, _ = cv2.findContours(
        pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(canvas, contours, -1, color, 1)


def _corners(box: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels that OpenCV draws to; it counts them in whole numbers."""
    x, y, width, height = np.clip(box, -1e6, 1e6).tolist()
    return (round(x), round(y)), (round(x + width) - 1, round(y + height) - 1)


def _write_label(
    canvas: np.ndarray,
    text: str,
    corners: Sequence[tuple[int, int]],
    size: int,
    color: Color,
    taken: list[tuple[int, int, int, int]],
) -> None:
    """Write on a plate of the object's colour, inside the picture."""
    high = line_height(size)
    wide = min(text_width(text, size) + size // 2, canvas.shape[1])
    (left, top), (_, low) = corners
    x = int(np.clip(left, 0, canvas.shape[1] - wide))
    places = (top - high, top, low - high, low, top + high)
    for y in (int(np.clip(y, 0, canvas.shape[0] - high)) for y in places):
        plate = (x, y, x + wide, y + high)
        if not any(_overlap(plate, other) for other in taken):
            break
    else:
        y = int(np.clip(top, 0, canvas.shape[0] - high))
        plate = (x, y, x + wide, y + high)
    taken.append(plate)
    canvas[max(y, 0) : y + high, x : x + wide] = color
    draw_text(canvas, text, (x + size // 4, y), size)


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
