"""A small data set of faces without a download: drawn, each one another.

A face is a set of points in space, turned and projected, so that its landmarks move
together as those of a head do; what is drawn on them varies: shape, colours, hair,
expression, light, background.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import read_rows, write_rows
from hrnet_tf.images.pictures import write_image

SIDE = 160  # pixels, of every image
FINER = 2  # it is drawn so many times larger

# In the order of the landmark set `drawn`; right and left are the face's.
LANDMARKS = (
    *("right_eyebrow_outer", "right_eyebrow_middle", "right_eyebrow_inner"),
    *("left_eyebrow_inner", "left_eyebrow_middle", "left_eyebrow_outer"),
    *("right_eye_outer", "right_eye_inner", "left_eye_inner", "left_eye_outer"),
    *("right_pupil", "left_pupil"),
    *("nose_top", "nose_right", "nose_tip", "nose_left"),
    *("mouth_right", "upper_lip", "mouth_left", "lower_lip"),
    *("jaw_right", "chin", "jaw_left"),
)

# Landmarks of the right half and the middle, in halves of a face's width: x to the
# face's left, y down, z to the viewer.
FORM: dict[str, tuple[float, float, float]] = {
    "right_eyebrow_outer": (-0.72, -0.50, 0.30),
    "right_eyebrow_middle": (-0.46, -0.62, 0.45),
    "right_eyebrow_inner": (-0.17, -0.53, 0.52),
    "right_eye_outer": (-0.62, -0.25, 0.32),
    "right_eye_inner": (-0.22, -0.25, 0.42),
    "right_pupil": (-0.42, -0.25, 0.42),
    "nose_top": (0.0, -0.28, 0.52),
    "nose_right": (-0.18, 0.22, 0.48),
    "nose_tip": (0.0, 0.14, 0.82),
    "mouth_right": (-0.36, 0.60, 0.38),
    "upper_lip": (0.0, 0.54, 0.54),
    "lower_lip": (0.0, 0.70, 0.52),
    "chin": (0.0, 1.16, 0.36),
    "jaw_right": (-0.74, 0.62, 0.0),
}
COUNT = 48  # points of a head's outline


@dataclass
class DrawnFace:
    """A face in an image.

    Attributes:
        image: uint8 RGB `(SIDE, SIDE, 3)`.
        points: float64 `(landmarks, 2)`, in the order of the landmark set `drawn`.
        box: x, y, width, height: around the points, as a detector would have it.
    """

    image: np.ndarray
    points: np.ndarray
    box: np.ndarray


def draw_face_data_set(
    folder: str | Path, train: int = 1500, validation: int = 200, seed: int = 0
) -> None:
    """Draw the data set, unless it is there already.

    Args:
        folder: where to; gets `images/{train,val}` and `faces_{train,val}.csv`: an
            image, a box and 23 landmarks a line.
        train: number of training images.
        validation: number of validation images; none of them is among the training
            ones.
        seed: of all that is random.

    Example:
        ```python
        draw_face_data_set("saved_models/demo/faces", train=20, validation=5)
        ```
    """
    folder = Path(folder)
    for number, (split, count) in enumerate((("train", train), ("val", validation))):
        table = folder / f"faces_{split}.csv"
        if table.is_file() and len(read_rows(table)) == count:
            continue  # it is written last
        _draw_split(folder, split, count, np.random.default_rng([seed, number]))


def _draw_split(folder: Path, split: str, count: int, rng: np.random.Generator) -> None:
    columns = [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
    rows: list[tuple[Any, ...]] = [
        ("image", "box_x", "box_y", "box_width", "box_height", *columns)
    ]
    for index in progress_bar(
        range(1, count + 1), desc=f"drawing {split}", unit="face"
    ):
        face = draw_face(rng)
        name = f"{index:06d}.jpg"
        write_image(folder / "images" / split / name, face.image)
        numbers = [*face.box, *face.points.ravel()]
        rows.append((name, *(f"{number:.2f}" for number in numbers)))
    write_rows(folder / f"faces_{split}.csv", rows)


def draw_face(rng: np.random.Generator) -> DrawnFace:
    """Draw one image of one face."""
    form = _form(rng)
    outline = _outline(form, rng)
    half = rng.uniform(0.2, 0.34) * SIDE  # of the face's width, in pixels
    turn = _turn(*np.deg2rad(rng.normal(0, (16, 8, 12))))
    spread = {name: half * (turn @ point)[:2] for name, point in form.items()}
    rim = half * (outline @ turn.T)[:, :2]
    everything = np.stack(list(spread.values()))
    low, high = everything.min(axis=0), everything.max(axis=0)
    room = SIDE - (high - low)
    offset = rng.uniform(0.12, 0.88, 2) * room - low
    points = {name: point + offset for name, point in spread.items()}
    canvas = _Canvas(rng)
    _draw_head(canvas, points, rim + offset, half, rng)
    image = canvas.finish(rng)
    ordered = np.stack([points[name] for name in LANDMARKS])
    return DrawnFace(image, ordered, _box(ordered, rng))


def _form(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Landmarks of a face in space: its own proportions, and an expression."""
    form = {name: np.array(place) for name, place in FORM.items()}
    wide, long = rng.uniform(0.9, 1.12), rng.uniform(0.92, 1.1)
    raised, opened = rng.uniform(-0.06, 0.14), max(0.0, rng.normal(0.06, 0.14))
    smile = rng.normal(0, 0.07)
    for name in FORM:
        form[name] = form[name] * (wide, long, 1) + rng.normal(0, 0.018, 3)
        if "eyebrow" in name:
            form[name][1] -= raised
    form["mouth_right"] += (-abs(smile), -smile, 0)
    form["lower_lip"][1] += min(opened, 0.32)
    for name in [name for name in form if "right" in name]:
        jitter = rng.normal(0, 0.012, 3)
        form[name.replace("right", "left")] = form[name] * (-1, 1, 1) + jitter
    for name in ("nose_top", "nose_tip", "upper_lip", "lower_lip", "chin"):
        form[name][0] = rng.normal(0, 0.015)
    gaze = rng.uniform(-0.1, 0.1), rng.uniform(-0.025, 0.025)
    for side in ("right", "left"):
        middle = (form[f"{side}_eye_outer"] + form[f"{side}_eye_inner"]) / 2
        form[f"{side}_pupil"] = middle + np.array([*gaze, 0.06])
    return form


def _outline(form: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """The rim of a head in space, `(COUNT, 3)`: through jaw and chin, round above."""
    angles = 2 * np.pi * np.arange(COUNT) / COUNT
    right, left, chin = (form[name] for name in ("jaw_right", "jaw_left", "chin"))
    top = rng.uniform(-1.3, -1.1)
    knots = np.array(
        [
            (0.0, chin),
            (0.18, left),
            (0.34, (0.95 * left[0] / 0.74, -0.15, -0.05)),
            (0.5, (0.0, top, 0.0)),
            (0.66, (0.95 * right[0] / 0.74, -0.15, -0.05)),
            (0.82, right),
        ],
        dtype=object,
    )
    places = np.array([place for place, _ in knots], np.float64)
    values = np.stack([np.asarray(value, np.float64) for _, value in knots])
    shares = angles / (2 * np.pi)
    return np.stack([_closed(places, column, shares) for column in values.T], axis=-1)


def _closed(places: np.ndarray, values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """A closed smooth curve through values at places in [0, 1), cubic by parts."""
    count = len(places)
    around = np.concatenate([places - 1, places, places + 1])
    repeated = np.tile(values, 3)
    slopes = np.gradient(repeated, around)
    index = np.searchsorted(around, shares, side="right") - 1
    index = np.clip(index, count - 1, 2 * count)
    step = around[index + 1] - around[index]
    t = (shares - around[index]) / step
    first, last = repeated[index], repeated[index + 1]
    rise, fall = slopes[index] * step, slopes[index + 1] * step
    return (
        (2 * t**3 - 3 * t**2 + 1) * first
        + (t**3 - 2 * t**2 + t) * rise
        + (3 * t**2 - 2 * t**3) * last
        + (t**3 - t**2) * fall
    )


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """A rotation in space, `(3, 3)`, by three angles in radians."""
    (sy, cy), (sp, cp), (sr, cr) = ((np.sin(a), np.cos(a)) for a in (yaw, pitch, roll))
    aside = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return tilt @ nod @ aside


def _box(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    sizes = (high - low) * rng.uniform(1.0, 1.15, 2)
    middle = (low + high) / 2 + rng.normal(0, 0.02, 2) * sizes
    return np.concatenate([middle - sizes / 2, sizes])


def _draw_head(
    canvas: "_Canvas",
    points: dict[str, np.ndarray],
    rim: np.ndarray,
    half: float,
    rng: np.random.Generator,
) -> None:
    skin = rng.uniform((110, 70, 50), (245, 205, 180))
    hair, lips = rng.uniform(10, 190, 3) * (1, 0.8, 0.7), skin * (0.85, 0.5, 0.5)
    middle = rim.mean(axis=0)
    up = points["nose_top"] - points["chin"]
    up = up / max(np.linalg.norm(up), 1e-6)
    aside = np.array([-up[1], up[0]])
    neck = points["chin"] - up * 0.1 * half
    low = neck - up * 2 * half
    wide = 0.42 * half * aside
    canvas.polygon(np.stack([neck - wide, neck + wide, low + wide, low - wide]), skin)
    if rng.random() < 0.5:  # long hair behind the head
        canvas.polygon(middle + (rim - middle) * rng.uniform(1.15, 1.35), hair)
    else:
        cap = middle + up * 0.25 * half + (rim - middle) * 1.08
        canvas.polygon(cap, hair)
    for side in (-1, 1):
        ear = middle + side * aside * 0.98 * half + up * 0.05 * half
        canvas.disc(ear, 0.17 * half, skin * 0.9)
    canvas.polygon(rim, skin)
    shade = skin * rng.uniform(0.72, 0.92)
    canvas.line(
        [points["jaw_right"], points["chin"], points["jaw_left"]], shade, 0.04 * half
    )
    if rng.random() < 0.6:  # a fringe
        height = rng.uniform(0.75, 1.0)
        above = [p for p in rim if (p - middle) @ up > height * half]
        if len(above) > 2:
            canvas.polygon(np.stack(above), hair)
    _draw_eyes(canvas, points, hair, half, rng)
    nose = [points[f"nose_{part}"] for part in ("right", "tip", "left")]
    canvas.line([points["nose_top"], points["nose_tip"]], shade, 0.06 * half)
    canvas.line(nose, skin * 0.6, 0.05 * half)
    _draw_mouth(canvas, points, lips, half, rng)


def _draw_eyes(
    canvas: "_Canvas",
    points: dict[str, np.ndarray],
    hair: np.ndarray,
    half: float,
    rng: np.random.Generator,
) -> None:
    iris = rng.uniform(20, 150, 3)
    opened, thick = rng.uniform(0.22, 0.4), rng.uniform(0.06, 0.12)
    for side in ("right", "left"):
        outer, inner = points[f"{side}_eye_outer"], points[f"{side}_eye_inner"]
        across = inner - outer
        up = np.array([-across[1], across[0]]) * opened
        share = np.linspace(0, np.pi, 9)
        along = outer + (0.5 - 0.5 * np.cos(share))[:, None] * across
        lid = np.sin(share)[:, None] * up
        almond = np.concatenate([along + lid, (along - lid)[::-1]])
        canvas.polygon(almond, np.full(3, rng.uniform(215, 250)))
        radius = max(float(opened * np.linalg.norm(across) * 0.8), 1.0)
        canvas.disc(points[f"{side}_pupil"], radius, iris)
        canvas.disc(points[f"{side}_pupil"], radius * 0.5, np.full(3, 12.0))
        canvas.line([*almond, almond[0]], iris * 0.3, 0.03 * half)
        brow = [
            points[f"{side}_eyebrow_{part}"] for part in ("outer", "middle", "inner")
        ]
        canvas.line(brow, hair * 0.7, thick * half)
    if rng.random() < 0.15:  # glasses
        frame = rng.uniform(0, 90, 3)
        for side in ("right", "left"):
            lens = (points[f"{side}_eye_outer"] + points[f"{side}_eye_inner"]) / 2
            canvas.ring(lens, 0.34 * half, frame, 0.05 * half)


def _draw_mouth(
    canvas: "_Canvas",
    points: dict[str, np.ndarray],
    lips: np.ndarray,
    half: float,
    rng: np.random.Generator,
) -> None:
    right, left = points["mouth_right"], points["mouth_left"]
    upper, lower = points["upper_lip"], points["lower_lip"]
    share = np.linspace(0, 1, 7)[:, None]

    def bow(through: np.ndarray) -> np.ndarray:
        bent = 2 * through - (right + left) / 2  # a parabola's control point
        return (
            (1 - share) ** 2 * right + 2 * share * (1 - share) * bent + share**2 * left
        )

    canvas.polygon(np.concatenate([bow(upper), bow(lower)[::-1]]), lips)
    inside = np.concatenate(
        [bow(upper + 0.25 * (lower - upper)), bow(lower - 0.25 * (lower - upper))[::-1]]
    )
    teeth = rng.random() < 0.5
    canvas.polygon(inside, np.full(3, 225.0) if teeth else lips * 0.35)


class _Canvas:
    """Paints larger than the image, so that edges come out smooth."""

    def __init__(self, rng: np.random.Generator):
        side = SIDE * FINER
        ramp = np.linspace(0, 1, side)[:, None, None]
        first, last = rng.uniform(20, 235, (2, 3))
        image = np.broadcast_to(ramp * first + (1 - ramp) * last, (side, side, 3))
        image = np.rot90(image, int(rng.integers(4)))
        cells = int(rng.integers(3, 20))
        clouds = cv2.resize(rng.normal(0, 25, (cells, cells, 3)), (side, side))
        self.image = np.ascontiguousarray(np.clip(image + clouds, 0, 255), np.uint8)
        for _ in range(int(rng.integers(0, 6))):
            corners = rng.uniform(0, SIDE, (int(rng.integers(3, 6)), 2))
            self.polygon(corners, rng.uniform(20, 235, 3))

    def polygon(self, points: np.ndarray, color: np.ndarray) -> None:
        cv2.fillPoly(self.image, [_fine(points)], _rgb(color), cv2.LINE_AA, 4)

    def line(self, points: Any, color: np.ndarray, thickness: float) -> None:
        thick = max(1, round(thickness * FINER))
        pixels = [_fine(np.stack(points))]
        cv2.polylines(self.image, pixels, False, _rgb(color), thick, cv2.LINE_AA, 4)

    def disc(self, center: np.ndarray, radius: float, color: np.ndarray) -> None:
        self._circle(center, radius, color, -1)

    def ring(
        self, center: np.ndarray, radius: float, color: np.ndarray, thickness: float
    ) -> None:
        self._circle(center, radius, color, max(1, round(thickness * FINER)))

    def _circle(
        self, center: np.ndarray, radius: float, color: np.ndarray, thick: int
    ) -> None:
        x, y = _fine(center).tolist()
        size = max(1, round(radius * FINER * 16))
        cv2.circle(self.image, (x, y), size, _rgb(color), thick, cv2.LINE_AA, 4)

    def finish(self, rng: np.random.Generator) -> np.ndarray:
        """The image, in its own light and with noise."""
        image = cv2.resize(self.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        first, last = rng.uniform(0.7, 1.2, 2)
        slope = np.linspace(first, last, SIDE)[None, :, None]
        light = image * slope * rng.uniform(0.8, 1.1)
        if rng.random() < 0.3:
            light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.1))
        light = light + rng.normal(0, rng.uniform(1, 7), light.shape)
        return np.clip(light, 0, 255).astype(np.uint8)


def _fine(points: np.ndarray) -> np.ndarray:
    """Pixels of the image to 16ths of pixels of the canvas, int32."""
    larger = np.asarray(points) * FINER + (FINER - 1) / 2
    return np.round(larger * 16).astype(np.int32)


def _rgb(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = np.clip(color, 0, 255).astype(int)
    return int(red), int(green), int(blue)
