"""People, drawn on images."""

import colorsys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import (
    INK,
    SMALLEST,
    draw_text,
    line_height,
    text_width,
)
from hrnet_tf.images.pictures import Color, write_note
from hrnet_tf.images.sheets import (
    enlarged,
    enlarged_points,
    enlargement,
)
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.result import Pose

# RGB: the first of each flip pair (left), the second (right), and what has no pair.
LEFT, RIGHT, MIDDLE = (255, 128, 0), (0, 128, 255), (51, 204, 51)


def draw_pose(
    image: np.ndarray,
    pose: Pose,
    threshold: float = 0.2,
    boxes: bool = False,
    scores: bool = False,
) -> np.ndarray:
    """Draw people on a copy of an image, each in a colour of its own.

    Keypoints say which side they are of: left orange, right blue, the rest green. The
    lines and the box of a person have the person's colour; the lines of one person
    without a box have those of the sides.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        pose: people in pixels of the image.
        threshold: keypoints with a lower score are left out.
        boxes: whether to draw the boxes too.
        scores: whether to write how sure each person is: the box's score times the mean
            of the keypoints'.

    Returns:
        uint8 RGB of the same shape.
    """
    canvas = np.ascontiguousarray(image).copy()
    colors = keypoint_colors(pose.keypoint_set)
    by_person = boxes or len(pose) > 1
    thin = max(1, round(max(canvas.shape[:2]) / 1000))
    for person in range(len(pose)):
        own = person_color(person)
        x, y, width, height = _near(pose.boxes[person])
        if boxes:
            start, corner = (x, y), (x + width, y + height)
            cv2.rectangle(canvas, _pixel(start), _pixel(corner), own, thin)
        longest = min(max(width, height), max(canvas.shape[:2]))
        thickness = max(thin, round(float(longest) / 120))
        visible = pose.scores[person] >= threshold
        points = _near(pose.keypoints[person])
        for start, end in pose.keypoint_set.bones:
            if visible[start] and visible[end]:
                side = colors[start] if colors[start] == colors[end] else MIDDLE
                color = own if by_person else side
                ends = _pixel(points[start]), _pixel(points[end])
                cv2.line(canvas, *ends, color, thickness, cv2.LINE_AA)
        for index in np.flatnonzero(visible):
            center = _pixel(points[index])
            if by_person:  # whose colour may be that of the side
                cv2.circle(canvas, center, thickness + 2, INK, -1, cv2.LINE_AA)
            cv2.circle(canvas, center, thickness + 1, colors[index], -1, cv2.LINE_AA)
    if scores:  # above all people
        for person, score in enumerate(pose.totals):
            _write_plate(canvas, f"{score:.2f}", pose.boxes[person], person)
    return canvas


def person_color(number: int) -> Color:
    """RGB of a person: far from that of the ones before, however many there are."""
    hue = (0.83 + number * (5**0.5 - 1) / 2) % 1  # by the golden ratio
    light = (0.6, 0.78)[number // 4 % 2]
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def keypoint_colors(keypoint_set: KeypointSet) -> list[Color]:
    """One RGB colour a keypoint."""
    left = {pair[0] for pair in keypoint_set.flip_pairs}
    right = {pair[1] for pair in keypoint_set.flip_pairs}
    return [
        LEFT if name in left else RIGHT if name in right else MIDDLE
        for name in keypoint_set.names
    ]


def show_pose(
    image: np.ndarray,
    pose: Pose,
    threshold: float = 0.2,
    boxes: bool = False,
    scores: bool = False,
) -> np.ndarray:
    """`draw_pose` for people to look at: small images are made larger first.

    An image without anyone, or without a keypoint to draw, says so.

    Returns:
        uint8 RGB; its height and width are those of the image times a whole number.
    """
    factor = enlargement(image.shape)
    larger = replace(
        pose,
        keypoints=enlarged_points(pose.keypoints, factor),
        boxes=pose.boxes * factor,
    )
    canvas = draw_pose(enlarged(image, factor), larger, threshold, boxes, scores)
    if not len(pose):
        return write_note(canvas, "no people")
    if not (pose.scores >= threshold).any():
        return write_note(canvas, f"no keypoint above {threshold:g}")
    return canvas


def _near(numbers: np.ndarray) -> np.ndarray:
    """Coordinates that OpenCV can draw to: it counts pixels in whole numbers."""
    return np.clip(numbers, -1e6, 1e6)


def _pixel(point: Sequence[float] | np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _write_plate(canvas: np.ndarray, text: str, box: np.ndarray, person: int) -> None:
    """A text on a plate of a person's colour, at a box but inside the picture."""
    size = max(SMALLEST, round(max(canvas.shape[:2]) / 60))
    wide, high = text_width(text, size) + size // 2, line_height(size)
    x, y = _pixel(_near(box[:2]))
    left = min(max(0, x), max(0, canvas.shape[1] - wide))
    top = min(max(0, y - high), max(0, canvas.shape[0] - high))
    color = person_color(person)
    canvas[top : top + high, left : left + wide] = color
    dark = np.dot(color, (0.3, 0.59, 0.11)) < 120
    letters = (255, 255, 255) if dark else INK
    draw_text(canvas, text, (left + size // 4, top), size, letters)
