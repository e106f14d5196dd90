"""Pictures of results: people drawn on images, contact sheets, training curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.classes import ClassSet
from hrnet_tf.files import write_bytes, writing
from hrnet_tf.history import read_history
from hrnet_tf.indexed_png import to_indexed
from hrnet_tf.labels import KeypointSet
from hrnet_tf.opencv import cv2
from hrnet_tf.results import DenseMap, LabelMap, Pose

# RGB: the first of each flip pair (left), the second (right), and what has no pair.
LEFT, RIGHT, MIDDLE = (255, 128, 0), (0, 128, 255), (51, 204, 51)


def draw_pose(
    image: np.ndarray, pose: Pose, threshold: float = 0.2, boxes: bool = False
) -> np.ndarray:
    """Draw people on a copy of an image: left orange, right blue, the rest green.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        pose: people in pixels of the image.
        threshold: keypoints with a lower score are left out.
        boxes: whether to draw the boxes too.

    Returns:
        uint8 RGB of the same shape.
    """
    canvas = np.ascontiguousarray(image).copy()
    colors = keypoint_colors(pose.keypoint_set)
    for person, (keypoints, scores) in enumerate(
        zip(pose.keypoints, pose.scores, strict=True)
    ):
        x, y, width, height = pose.boxes[person]
        thickness = max(1, round(float(max(width, height)) / 120))
        if boxes:
            corner = (round(float(x + width)), round(float(y + height)))
            cv2.rectangle(
                canvas, (round(float(x)), round(float(y))), corner, MIDDLE, thickness
            )
        visible = scores >= threshold
        points = np.round(np.clip(keypoints, -1e6, 1e6)).astype(int)
        for start, end in pose.keypoint_set.bones:
            if visible[start] and visible[end]:
                color = colors[start] if colors[start] == colors[end] else MIDDLE
                ends = tuple(map(int, points[start])), tuple(map(int, points[end]))
                cv2.line(canvas, *ends, color, thickness, cv2.LINE_AA)
        for index in np.flatnonzero(visible):
            center = tuple(map(int, points[index]))
            cv2.circle(canvas, center, thickness + 1, colors[index], -1, cv2.LINE_AA)
    return canvas


def keypoint_colors(keypoint_set: KeypointSet) -> list[tuple[int, int, int]]:
    """One RGB colour a keypoint."""
    left = {pair[0] for pair in keypoint_set.flip_pairs}
    right = {pair[1] for pair in keypoint_set.flip_pairs}
    return [
        LEFT if name in left else RIGHT if name in right else MIDDLE
        for name in keypoint_set.names
    ]


def draw_label(image: np.ndarray, text: str) -> np.ndarray:
    """Write a line into the lower left corner of a copy of an image.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        text: ASCII.

    Returns:
        uint8 RGB of the same shape.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(width, height) / 600
    thickness = max(1, round(2 * scale))
    (wide, high), below = cv2.getTextSize(text, font, scale, thickness)
    corner = (wide + thickness, height - high - 2 * below)
    cv2.rectangle(canvas, (0, height), corner, (0, 0, 0), -1)
    place = (0, height - below)
    cv2.putText(
        canvas, text, place, font, scale, (255, 255, 255), thickness, cv2.LINE_AA
    )
    return canvas


def draw_labels(
    image: np.ndarray, answer: LabelMap, opacity: float = 0.6, legend: bool = True
) -> np.ndarray:
    """Colour an image by what its pixels show.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        answer: labels of the same height and width.
        opacity: of the colours, 0 to 1.
        legend: whether to write what the colours mean on a strip below, of all classes
            that cover at least a thousandth of the image.

    Returns:
        uint8 RGB of the same width; with the legend, higher.
    """
    colors = answer.classes.colors[answer.labels]
    canvas = cv2.addWeighted(image, 1 - opacity, colors, opacity, 0)
    if not legend:
        return canvas
    names = [name for name, share in answer.shares().items() if share >= 0.001]
    return np.concatenate([canvas, _legend(names, answer.classes, image.shape[1])])


def _legend(names: Sequence[str], classes: ClassSet, width: int) -> np.ndarray:
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, width / 2000)
    line = round(34 * scale)
    places, x, y = [], 0, 0
    for name in names:
        (wide, _), _ = cv2.getTextSize(name, font, scale, 1)
        needed = wide + 2 * line
        if x and x + needed > width:
            x, y = 0, y + line
        places.append((x, y))
        x += needed
    strip = np.zeros((y + line, width, 3), np.uint8)
    for name, (left, top) in zip(names, places, strict=True):
        color = classes.colors[classes.names.index(name)].tolist()
        corners = (left + 3, top + 3), (left + line - 3, top + line - 3)
        cv2.rectangle(strip, *corners, color, -1)
        baseline = (left + line + 3, top + round(0.75 * line))
        white = (255, 255, 255)
        cv2.putText(strip, name, baseline, font, scale, white, 1, cv2.LINE_AA)
    return strip


def draw_values(values: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """Numbers as colours, from dark blue (low) over green to yellow (high).

    Args:
        values: float `(height, width)`; NaN is black.
        span: the numbers of the lowest and of the highest colour.

    Returns:
        uint8 RGB `(height, width, 3)`.
    """
    low, high = span
    shares = (values - low) / ((high - low) or 1.0)
    levels = np.round(255 * np.nan_to_num(np.clip(shares, 0, 1))).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return np.where(np.isnan(values)[..., None], 0, colors).astype(np.uint8)


def draw_map(image: np.ndarray, answer: DenseMap) -> np.ndarray:
    """An image, and beside it each channel of a map with the numbers of its colours.

    Args:
        image: uint8 RGB, `(height, width, 3)`.
        answer: numbers of the same height and width.

    Returns:
        uint8 RGB, higher than the image by a strip, and wider.
    """
    panels = [image]
    strips = [np.zeros_like(image[:0])]
    for name in answer.channels:
        values = answer.of(name)
        span = float(values.min()), float(values.max())
        panels.append(draw_values(values, span))
        strips.append(_color_bar(name, span, image.shape[1]))
    side = max(panel.shape[1] for panel in (*panels, *strips))
    high = max(strip.shape[0] for strip in strips)
    columns = []
    for panel, strip in zip(panels, strips, strict=True):
        column = np.zeros((panel.shape[0] + high, side, 3), np.uint8)
        column[: panel.shape[0], : panel.shape[1]] = panel
        column[panel.shape[0] :][: strip.shape[0], : strip.shape[1]] = strip
        columns.append(column)
    return np.concatenate(columns, axis=1)


def _color_bar(name: str, span: tuple[float, float], width: int) -> np.ndarray:
    """A strip of all colours, with the lowest, the middle and the highest number."""
    font, scale, white = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, width / 2000), (255,) * 3
    line = round(34 * scale)

    def wide(text: str) -> int:
        return cv2.getTextSize(text, font, scale, 1)[0][0]

    # As wide whatever the numbers are: frames of a video must be alike.
    longest = "-0.00e+00"
    width = max(width, wide(longest + f"{name} {longest}" + longest) + line)
    texts = (
        f"{span[0]:.3g}",
        f"{name} {(span[0] + span[1]) / 2:.3g}",
        f"{span[1]:.3g}",
    )
    places = (2, (width - wide(texts[1])) // 2, width - wide(texts[2]) - 2)
    strip = np.zeros((2 * line, width, 3), np.uint8)
    strip[:line] = draw_values(np.linspace(0, 1, width)[None], (0, 1))
    for text, left in zip(texts, places, strict=True):
        place = left, line + round(0.75 * line)
        cv2.putText(strip, text, place, font, scale, white, 1, cv2.LINE_AA)
    return strip


def contact_sheet(
    images: Sequence[np.ndarray], columns: int, side: int = 256
) -> np.ndarray:
    """Images in rows on black, each fitted into a square.

    Args:
        images: uint8 RGB, of any sizes.
        columns: images a row.
        side: of each square, in pixels.

    Returns:
        uint8 RGB.
    """
    rows = -(-len(images) // columns)
    sheet = np.zeros((rows * side, columns * side, 3), np.uint8)
    for number, image in enumerate(images):
        scale = side / max(image.shape[:2])
        width, height = (
            max(1, round(n * scale)) for n in (image.shape[1], image.shape[0])
        )
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        top, left = number // columns * side, number % columns * side
        sheet[top : top + height, left : left + width] = small
    return sheet


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


def draw_curves(history: str | Path, picture: str | Path) -> None:
    """Draw every column of a training history (CSV) over the epochs, as a PNG.

    Columns that differ only by `val_` share a panel.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_history(history)
    if not rows:
        return
    names = [name for name in rows[0] if name != "epoch"]
    panels = sorted({name.removeprefix("val_") for name in names})
    epochs = [int(row["epoch"]) for row in rows]
    figure = Figure(figsize=(4.5 * len(panels), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, panel in zip(
        np.ravel(figure.subplots(1, len(panels))), panels, strict=True
    ):
        for name in (panel, f"val_{panel}"):
            if name in names:
                values = np.array([float(row[name] or "nan") for row in rows])
                known = np.isfinite(values)
                axis.plot(
                    np.array(epochs)[known], values[known], marker=".", label=name
                )
        axis.set(title=panel, xlabel="epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    with writing(picture) as partial:
        figure.savefig(partial, dpi=100)
