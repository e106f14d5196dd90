"""Classes, written below images."""

import numpy as np

from hrnet_tf.images.lettering import (
    INK,
    draw_text,
    letter_size,
    line_height,
    shortened,
    text_width,
)
from hrnet_tf.images.sheets import (
    enlarged,
    enlargement,
    stacked,
    strip,
)
from hrnet_tf.tasks.classification.result import Classification


def draw_classes(
    image: np.ndarray, answer: Classification, count: int = 3
) -> np.ndarray:
    """An image, and below it the likeliest classes with their probabilities.

    Args:
        image: uint8 RGB, `(height, width, 3)`; small ones are made larger.
        answer: what it shows.
        count: how many classes, at most.

    Returns:
        uint8 RGB, higher than the image by a line for each class.
    """
    image = enlarged(image, enlargement(image.shape))
    size = letter_size(image.shape[1])
    found = answer.top(count)
    rows = strip([""] * len(found), image.shape[1], size)
    width, high, margin = rows.shape[1], line_height(size), size // 2
    numbers = [f"{probability:.2f}" for _, probability in found]
    column = margin + max(text_width(number, size) for number in numbers)
    for row, (name, probability) in enumerate(found):
        top = row * high + size // 4
        number = numbers[row]
        draw_text(rows, number, (column - text_width(number, size), top), size)
        # The name stands on a bar as long as the probability.
        left = column + margin
        room = width - left - margin
        bar = rows[top + 2 : top + high - 1, left : left + round(room * probability)]
        bar[:] = (168, 205, 240) if row == 0 else (214, 222, 230)
        draw_text(
            rows, shortened(name, size, room - margin), (left + 3, top), size, INK
        )
    return stacked(image, rows)
