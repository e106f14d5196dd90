"""Faces, drawn on images: contours and points."""

import itertools
from dataclasses import replace

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.lettering import INK
from hrnet_tf.images.pictures import Color, write_note
from hrnet_tf.images.sheets import enlarged, enlarged_points, enlargement
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.result import FaceLandmarks

# RGB: of lines and points on the person's left, on the right, and in the middle.
LEFT, RIGHT, MIDDLE = (255, 160, 64), (64, 176, 255), (120, 224, 120)
BOX = (240, 240, 240)
SHIFT = 4  # OpenCV draws to a 16th of a pixel


def draw_landmarks(
    image: np.ndarray,
    found: FaceLandmarks,
    threshold: float = 0.2,
    boxes: bool = False,
) -> np.ndarray:
    """Draw faces on a copy of an image: contours as lines, landmarks as points.

    What is on the person's left is orange, on the right blue, the rest green. Lines and
    points are as thin as the face is small.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        found: faces in pixels of the image.
        threshold: landmarks with a lower score are left out.
        boxes: whether to draw the boxes too.

    Returns:
        uint8 RGB of the same shape.
    """
    canvas = np.ascontiguousarray(image).copy()
    sides = landmark_colors(found.landmark_set)
    for face in range(len(found)):
        points = np.clip(found.landmarks[face], -1e6, 1e6)
        visible = found.scores[face] >= threshold
        x, y, width, height = np.clip(found.boxes[face], -1e6, 1e6)
        longest = float(min(max(width, height), max(canvas.shape[:2])))
        if boxes:
            start, end = (round(x), round(y)), (round(x + width), round(y + height))
            cv2.rectangle(canvas, start, end, BOX, max(1, round(longest / 250)))
        thickness = max(1, round(longest / 160))
        for line in found.landmark_set.lines:
            _draw_line(canvas, points, visible, line, sides, thickness)
        radius = max(1.0, longest / 110)
        for index in np.flatnonzero(visible):
            _draw_point(canvas, points[index], radius, sides[index])
    return canvas


def landmark_colors(landmarks: LandmarkSet) -> list[Color]:
    """One RGB colour a landmark: by the side that its pair is named after."""
    sides: dict[str, Color] = {}
    for name in itertools.chain.from_iterable(landmarks.flip_pairs):
        words = name.lower().replace("_", " ").split()
        if "left" in words or "right" in words:  # a jaw may be counted through
            sides[name] = LEFT if "left" in words else RIGHT
    return [sides.get(name, MIDDLE) for name in landmarks.names]


def show_landmarks(
    image: np.ndarray,
    found: FaceLandmarks,
    threshold: float = 0.2,
    boxes: bool = False,
) -> np.ndarray:
    """`draw_landmarks` for people to look at: small images are made larger first.

    An image without any face, or without a landmark to draw, says so.

    Returns:
        uint8 RGB; its height and width are those of the image times a whole number.
    """
    factor = enlargement(image.shape)
    larger = replace(
        found,
        landmarks=enlarged_points(found.landmarks, factor),
        boxes=found.boxes * factor,
    )
    canvas = draw_landmarks(enlarged(image, factor), larger, threshold, boxes)
    if not len(found):
        return write_note(canvas, "no faces")
    if not (found.scores >= threshold).any():
        return write_note(canvas, f"no landmark above {threshold:g}")
    return canvas


def _draw_line(
    canvas: np.ndarray,
    points: np.ndarray,
    visible: np.ndarray,
    line: np.ndarray,
    sides: list[Color],
    thickness: int,
) -> None:
    """One contour, in the colour of its landmarks where they agree."""
    colors = {sides[index] for index in line}
    color = colors.pop() if len(colors) == 1 else MIDDLE
    for start, end in itertools.pairwise(line):
        if visible[start] and visible[end]:
            ends = _fine(points[start]), _fine(points[end])
            cv2.line(canvas, *ends, color, thickness, cv2.LINE_AA, SHIFT)


def _draw_point(
    canvas: np.ndarray, point: np.ndarray, radius: float, color: Color
) -> None:
    """A disc with a dark rim, which is seen on every ground."""
    rim, disc = round((radius + 0.8) * 2**SHIFT), round(radius * 2**SHIFT)
    cv2.circle(canvas, _fine(point), rim, INK, -1, cv2.LINE_AA, SHIFT)
    cv2.circle(canvas, _fine(point), disc, color, -1, cv2.LINE_AA, SHIFT)


def _fine(point: np.ndarray) -> tuple[int, int]:
    x, y = np.round(np.clip(point, -1e5, 1e5) * 2**SHIFT).astype(int)
    return int(x), int(y)
