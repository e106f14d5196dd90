"""Pictures of results: people, classes, labels and numbers, drawn on images."""

import colorsys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hrnet_tf.common.files import write_bytes
from hrnet_tf.common.opencv import cv2
from hrnet_tf.images.legends import (
    UNKNOWN,
    Span,
    draw_values,
    labels_legend,
    values_legend,
)
from hrnet_tf.images.lettering import (
    INK,
    PAPER,
    SMALLEST,
    draw_text,
    letter_size,
    line_height,
    shortened,
    text_width,
)
from hrnet_tf.images.png import to_indexed
from hrnet_tf.images.sheets import (
    MOST,
    beside,
    enlarged,
    enlargement,
    fit,
    stacked,
    strip,
)
from hrnet_tf.tasks.base.results import Classification, DenseMap, LabelMap, Pose
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.segmentation.classes import ClassSet

# RGB: the first of each flip pair (left), the second (right), and what has no pair.
LEFT, RIGHT, MIDDLE = (255, 128, 0), (0, 128, 255), (51, 204, 51)

Color = tuple[int, int, int]


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
        x, y, width, height = np.clip(pose.boxes[person], -1e6, 1e6)
        if boxes:
            start, corner = (x, y), (x + width, y + height)
            cv2.rectangle(canvas, _pixel(start), _pixel(corner), own, thin)
        longest = min(max(width, height), max(canvas.shape[:2]))
        thickness = max(thin, round(float(longest) / 120))
        visible = pose.scores[person] >= threshold
        points = np.clip(pose.keypoints[person], -1e6, 1e6)
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
        for person in range(len(pose)):
            score = pose.box_scores[person] * pose.scores[person].mean()
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
        keypoints=pose.keypoints * factor + (factor - 1) / 2,
        boxes=pose.boxes * factor,
    )
    canvas = draw_pose(enlarged(image, factor), larger, threshold, boxes, scores)
    if not len(pose):
        return write_note(canvas, "no people")
    if not (pose.scores >= threshold).any():
        return write_note(canvas, f"no keypoint above {threshold:g}")
    return canvas


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


def _pixel(point: Sequence[float]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _write_plate(canvas: np.ndarray, text: str, box: np.ndarray, person: int) -> None:
    """A text on a plate of a person's colour, at a box but inside the picture."""
    size = max(SMALLEST, round(max(canvas.shape[:2]) / 60))
    wide, high = text_width(text, size) + size // 2, line_height(size)
    x, y = _pixel(np.clip(box[:2], -1e6, 1e6))
    left = min(max(0, x), max(0, canvas.shape[1] - wide))
    top = min(max(0, y - high), max(0, canvas.shape[0] - high))
    color = person_color(person)
    canvas[top : top + high, left : left + wide] = color
    dark = np.dot(color, (0.3, 0.59, 0.11)) < 120
    letters = (255, 255, 255) if dark else INK
    draw_text(canvas, text, (left + size // 4, top), size, letters)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write uint8 RGB, or a grey image, to a file; its ending says in which format."""
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    written, encoded = cv2.imencode(Path(path).suffix, stored)
    if not written:
        raise OSError(f"{path}: OpenCV cannot write an image of {image.shape} so")
    write_bytes(path, encoded.tobytes())


def write_labels(path: str | Path, labels: np.ndarray, classes: ClassSet) -> None:
    """Write labels as an indexed PNG: values are labels, colours those of the classes.

    Args:
        path: the file.
        labels: uint8 `(height, width)`.
        classes: what they mean.
    """
    grey = cv2.imencode(".png", labels)[1].tobytes()
    write_bytes(path, to_indexed(grey, classes.colors.tobytes()))
