"""Pictures to files, and a line of text on them."""

from pathlib import Path

import numpy as np

from hrnet_tf.common.files import write_bytes
from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import (
    PAPER,
    draw_text,
    letter_size,
    line_height,
    shortened,
    text_width,
)

Color = tuple[int, int, int]


def write_note(canvas: np.ndarray, text: str) -> np.ndarray:
    """A copy of an image with a line on a plate in its lower left corner.

    Args:
        canvas: uint8 RGB, `(height, width, 3)`.
        text: what does not fit is cut with an ellipsis.

    Returns:
        uint8 RGB of the same shape.
    """
    canvas = np.ascontiguousarray(canvas).copy()
    size = letter_size(canvas.shape[1])
    text = shortened(text, size, canvas.shape[1] - size)
    top = max(0, canvas.shape[0] - line_height(size))
    canvas[top:, : text_width(text, size) + size] = PAPER
    draw_text(canvas, text, (size // 2, top), size)
    return canvas


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write uint8 RGB, or a grey image, to a file; its ending says in which format."""
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    written, encoded = cv2.imencode(Path(path).suffix, stored)
    if not written:
        raise OSError(f"{path}: OpenCV cannot write an image of {image.shape} so")
    write_bytes(path, encoded.tobytes())
