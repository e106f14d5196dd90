"""A small data set without a download: figures on varied backgrounds.

In COCO's format: people in four actions, their keypoints, polygons and boxes, two other
kinds of objects, a semantic mask and a depth map for each image, and an action as each
image's class.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hrnet_tf.common.files import put_among, scratch_beside, write_text
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import read_rows, write_json, write_rows
from hrnet_tf.drawn.annotations import (
    SIDE,
    Points,
    categories_of,
    instance_annotation,
    keypoint_annotation,
    nearest_pixel,
)
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet

CLASSES = ("background", "person", "ball", "box")

# Metres: height of a person, radius of the others. Something as large as this is as far
# away in metres as the image is times higher: the camera's angle of view is 53 degrees.
TRUE_SIZES = {"person": 1.7, "ball": 0.11, "box": 0.25}

# Mean angles of the limbs in degrees: upper arm and forearm from hanging down, thigh
# and shin from standing, outwards positive; right side, then left.
ACTIONS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "standing": ((15, 10, 5, 3), (15, 10, 5, 3)),
    "waving": ((150, 165, 8, 4), (20, 15, 8, 4)),
    "jumping": ((130, 145, 32, 20), (130, 145, 32, 20)),
    "kneeling": ((40, -70, 45, -25), (40, -70, 45, -25)),
}
SCATTER = 10.0  # degrees, of every angle

# Lengths as shares of a figure's height.
UPPER_ARM, FOREARM, THIGH, SHIN = 0.17, 0.16, 0.23, 0.22
SHOULDERS, HIPS, TORSO, NECK, HEAD = 0.115, 0.075, 0.30, 0.07, 0.085


@dataclass(frozen=True)
class Company:
    """How many figures an image shows, and how they stand together.

    Attributes:
        people: figures that are drawn, from and to.
        heights: of a figure, from and to, as shares of the image's side.
        overlap: largest share of a figure that it may cover of others.
        things: balls and boxes, from and to; figures cover them.
        crates: whether boxes have two bars across them; else they look as what stands
            in the background does.
    """

    people: tuple[int, int] = (1, 3)
    heights: tuple[float, float] = (0.38, 0.85)
    overlap: float = 0.05
    things: tuple[int, int] = (0, 2)
    crates: bool = False


FEW = Company()


@dataclass
class Picture:
    """An image that is being drawn, and who covers which pixel."""

    image: np.ndarray  # uint8 RGB (SIDE, SIDE, 3)
    owners: np.ndarray  # int32 (SIDE, SIDE); 0: background, else index + 1 of an object
    objects: list[dict[str, Any]] = field(default_factory=list)


def draw_data_set(
    folder: str | Path,
    train: int = 1500,
    validation: int = 100,
    seed: int = 0,
    company: Company = FEW,
) -> None:
    """Draw the data set, unless it is there already.

    Args:
        folder: where to; gets `images/{train,val}`, `masks/{train,val}` (PNG, indices
            of `CLASSES`), `depth/{train,val}` (PNG, 16 bits, millimetres; 0: not
            known), `annotations/person_keypoints_{train,val}.json` and
            `annotations/instances_{train,val}.json` (COCO's formats),
            `annotations/actions_{train,val}.csv` (file and class of each image) and
            `classes.txt` (the names of what is in the masks).
        train: number of training images.
        validation: number of validation images; none of them is among the training
            ones.
        seed: of all that is random.
        company: how many figures an image shows, and how they stand.

    Example:
        ```python
        draw_data_set("saved_models/demo/data", train=20, validation=5)
        ```
    """
    folder = Path(folder)
    write_text(folder / "classes.txt", "\n".join(CLASSES) + "\n")
    for number, (split, count) in enumerate((("train", train), ("val", validation))):
        if not _is_drawn(folder, split):
            rng = np.random.default_rng([seed, number])
            # Images with masks are a data set as soon as they are there.
            with scratch_beside(folder / "images") as scratch:
                _draw_split(folder, scratch, split, count, rng, company)


def _is_drawn(folder: Path, split: str) -> bool:
    """Whether all is there: the list, which is written last, and its last depth map."""
    table = folder / "annotations" / f"actions_{split}.csv"
    # Older versions wrote no instances.
    if not table.is_file() or not table.with_name(f"instances_{split}.json").is_file():
        return False
    names = [row["file"] for row in read_rows(table, ["file"])]
    # Older versions drew no depth.
    depths = [folder / "depth" / split / f"{Path(name).stem}.png" for name in names]
    return all(path.is_file() for path in depths[-1:])


def _draw_split(
    folder: Path,
    scratch: Path,
    split: str,
    count: int,
    rng: np.random.Generator,
    company: Company,
) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    instances: list[dict[str, Any]] = []
    actions: list[tuple[str, str]] = []
    keypoints = KeypointSet.read("coco")
    for image_id in progress_bar(
        range(1, count + 1), desc=f"drawing {split}", unit="image"
    ):
        action = list(ACTIONS)[int(rng.integers(len(ACTIONS)))]
        picture = draw_picture(action, rng, company)
        name = f"{image_id:06d}"
        write_image(scratch / "images" / f"{name}.jpg", picture.image)
        write_image(scratch / "masks" / f"{name}.png", _semantic(picture))
        write_image(scratch / "depth" / f"{name}.png", _depth(picture))
        size = {"width": SIDE, "height": SIDE}
        images.append({"id": image_id, "file_name": f"{name}.jpg", **size})
        actions.append((f"{name}.jpg", action))
        for number, thing in enumerate(picture.objects, 1):
            seen = picture.owners == number
            category = CLASSES.index(thing["category"])
            for found, annotation in (
                (annotations, keypoint_annotation(thing, seen, category, keypoints)),
                (instances, instance_annotation(thing["mask"], seen, category)),
            ):
                if annotation is not None:
                    numbers = {"id": len(found) + 1, "image_id": image_id}
                    found.append({**numbers, **annotation})
    for kind in sorted(scratch.iterdir()):
        put_among(kind, folder / kind.name / split)
    target = folder / "annotations"
    categories = categories_of(CLASSES, keypoints)
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_json(target / f"person_keypoints_{split}.json", content, indent=None)
    content |= {"annotations": instances, "categories": categories_of(CLASSES)}
    write_json(target / f"instances_{split}.json", content, indent=None)
    write_rows(target / f"actions_{split}.csv", [("file", "action"), *actions])


def draw_picture(
    action: str, rng: np.random.Generator, company: Company = FEW
) -> Picture:
    """Draw one image: a background, balls or boxes, and some people."""
    picture = Picture(_background(rng), np.zeros((SIDE, SIDE), np.int32))
    least, most = company.things
    for _ in range(int(rng.integers(least, most + 1))):
        _draw_object(picture, rng, company.crates)
    least, most = company.people
    for _ in range(int(rng.integers(least, most + 1))):
        height = rng.uniform(*company.heights) * SIDE
        points = _pose(action, height, rng)
        if _overlaps(picture, points, company.overlap):
            continue
        _draw_person(picture, points, height, rng)
    noise = rng.normal(0, 6, picture.image.shape)
    picture.image = np.clip(picture.image + noise, 0, 255).astype(np.uint8)
    return picture


def _pose(action: str, height: float, rng: np.random.Generator) -> Points:
    """Joints of a figure that faces us, in pixels: its right is on the image's left."""
    lean = np.deg2rad(rng.normal(0, 5))
    up = np.array([np.sin(lean), -np.cos(lean)])
    aside = np.array([np.cos(lean), np.sin(lean)])  # towards the figure's left
    hip = np.zeros(2)
    neck = hip + up * TORSO * height
    head = neck + up * (NECK + HEAD) * height
    points = {"head": head, "nose": head + aside * rng.normal(0, 0.008) * height}
    sides = (("right", -1), ("left", 1))
    swapped = rng.random() < 0.5  # either arm waves
    for (side, sign), angles in zip(
        sides, ACTIONS[action][:: -1 if swapped else 1], strict=True
    ):
        arm, forearm, thigh, shin = np.deg2rad(
            np.add(angles, rng.normal(0, SCATTER, 4))
        )

        def limb(
            start: np.ndarray, angle: float, length: float, sign: int = sign
        ) -> np.ndarray:
            return start + height * length * np.array(
                [sign * np.sin(angle), np.cos(angle)]
            )

        points[f"{side}_shoulder"] = neck + aside * sign * SHOULDERS * height
        points[f"{side}_elbow"] = limb(points[f"{side}_shoulder"], arm, UPPER_ARM)
        points[f"{side}_wrist"] = limb(points[f"{side}_elbow"], forearm, FOREARM)
        points[f"{side}_hip"] = hip + aside * sign * HIPS * height
        points[f"{side}_knee"] = limb(points[f"{side}_hip"], thigh, THIGH)
        points[f"{side}_ankle"] = limb(points[f"{side}_knee"], shin, SHIN)
        points[f"{side}_eye"] = head + (aside * sign * 0.035 + up * 0.02) * height
        points[f"{side}_ear"] = head + aside * sign * HEAD * 0.95 * height
    everything = np.stack(list(points.values()))
    low, high = everything.min(axis=0), everything.max(axis=0)
    margin = 0.06 * height
    room = np.maximum(SIDE - (high - low) - 2 * margin, 1)
    offset = margin - low + rng.random(2) * room
    return {name: point + offset for name, point in points.items()}


def _overlaps(picture: Picture, points: Points, share: float) -> bool:
    """Whether more than a share of a figure would cover other people."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(
        mask, cv2.convexHull(np.stack(list(points.values())).astype(np.int32)), 1
    )
    people = [i + 1 for i, thing in enumerate(picture.objects) if "points" in thing]
    covered = np.isin(picture.owners, people) & (mask > 0)
    return covered.sum() > share * mask.sum()


def _draw_person(
    picture: Picture, points: Points, height: float, rng: np.random.Generator
) -> None:
    shirt, trousers, skin, hair = (_color(rng) for _ in range(4))
    brush = _Brush(picture, rng)
    thick = max(2, round(0.055 * height))
    for side in ("right", "left"):
        brush.line(points, f"{side}_hip", f"{side}_knee", trousers, thick + 2)
        brush.line(points, f"{side}_knee", f"{side}_ankle", trousers * 0.8, thick)
    corners = ("right_shoulder", "left_shoulder", "left_hip", "right_hip")
    brush.polygon([points[name] for name in corners], shirt, thick)
    for side in ("right", "left"):
        brush.line(points, f"{side}_shoulder", f"{side}_elbow", shirt * 0.85, thick)
        brush.line(points, f"{side}_elbow", f"{side}_wrist", skin, max(2, thick - 1))
        brush.disc(points[f"{side}_ear"], 0.022 * height, skin * 0.8)
    brush.disc(points["head"], HEAD * height, skin)
    brush.disc(points["head"] - [0, 0.055 * height], 0.055 * height, hair)
    dark = np.full(3, 20.0) if skin.mean() > 110 else np.full(3, 235.0)
    for name, radius in (("left_eye", 0.013), ("right_eye", 0.013), ("nose", 0.01)):
        brush.disc(points[name], max(1.0, radius * height), dark)
    picture.objects.append(
        {
            "category": "person",
            "points": points,
            "size": height,
            "mask": brush.finish(),
        }
    )


def _draw_object(picture: Picture, rng: np.random.Generator, crates: bool) -> None:
    kind = CLASSES[2 + int(rng.integers(2))]
    center, radius = rng.uniform(0.1, 0.9, 2) * SIDE, rng.uniform(0.05, 0.12) * SIDE
    brush = _Brush(picture, rng)
    if kind == "ball":
        brush.disc(center, radius, _color(rng))
        brush.disc(center - radius * 0.3, radius * 0.3, np.full(3, 240.0))
    else:
        turn = rng.uniform(0, np.pi / 2) + np.arange(4) * np.pi / 2
        corners = center + radius * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        color = _color(rng)
        brush.polygon(corners, color, 2)
        if crates:
            bars = dict(zip("abcd", center + 0.8 * (corners - center), strict=True))
            dark = color * 0.5 if color.mean() > 110 else color * 0.5 + 120
            for start, end in ("ac", "bd"):
                brush.line(bars, start, end, dark, max(2, round(radius / 6)))
    picture.objects.append({"category": kind, "size": radius, "mask": brush.finish()})


class _Brush:
    """Paints one object's image and mask alike."""

    def __init__(self, picture: Picture, rng: np.random.Generator):
        self.picture = picture
        self.mask = np.zeros((SIDE, SIDE), np.uint8)
        self.light = rng.uniform(0.85, 1.15)

    def line(
        self, points: Points, start: str, end: str, color: np.ndarray, thickness: int
    ) -> None:
        ends = nearest_pixel(points[start]), nearest_pixel(points[end])
        cv2.line(self.picture.image, *ends, self._rgb(color), thickness, cv2.LINE_AA)
        cv2.line(self.mask, *ends, 1, thickness)

    def polygon(self, points: ArrayLike, color: np.ndarray, border: int) -> None:
        corners = np.round(np.asarray(points)).astype(np.int32)
        for canvas, paint in (
            (self.picture.image, self._rgb(color)),
            (self.mask, (1,)),
        ):
            cv2.fillConvexPoly(canvas, corners, paint)
            cv2.polylines(canvas, [corners], True, paint, border)

    def disc(self, center: np.ndarray, radius: float, color: np.ndarray) -> None:
        radius = max(1, round(radius))
        cv2.circle(
            self.picture.image,
            nearest_pixel(center),
            radius,
            self._rgb(color),
            -1,
            cv2.LINE_AA,
        )
        cv2.circle(self.mask, nearest_pixel(center), radius, 1, -1)

    def finish(self) -> np.ndarray:
        self.picture.owners[self.mask > 0] = len(self.picture.objects) + 1
        return self.mask > 0

    def _rgb(self, color: np.ndarray) -> tuple[int, int, int]:
        red, green, blue = np.clip(np.asarray(color) * self.light, 0, 255).astype(int)
        return int(red), int(green), int(blue)


def _background(rng: np.random.Generator) -> np.ndarray:
    """A slope of two colours, clouds, and some large shapes."""
    ramp = np.linspace(0, 1, SIDE)[:, None, None]
    image = np.broadcast_to(
        ramp * _color(rng) + (1 - ramp) * _color(rng), (SIDE, SIDE, 3)
    )
    image = np.rot90(image, int(rng.integers(4)))
    cells = int(rng.integers(3, 24))
    clouds = cv2.resize(rng.normal(0, 22, (cells, cells, 3)), (SIDE, SIDE))
    image = np.ascontiguousarray(np.clip(image + clouds, 0, 255).astype(np.uint8))
    for _ in range(int(rng.integers(0, 7))):
        start, end = rng.integers(0, SIDE, 2), rng.integers(0, SIDE, 2)
        color = tuple(map(int, _color(rng)))
        if rng.random() < 0.5:
            cv2.rectangle(image, nearest_pixel(start), nearest_pixel(end), color, -1)
        else:
            cv2.line(
                image,
                nearest_pixel(start),
                nearest_pixel(end),
                color,
                int(rng.integers(1, 9)),
            )
    return image


def _semantic(picture: Picture) -> np.ndarray:
    """Indices of `CLASSES`, uint8 `(SIDE, SIDE)`."""
    table = [0, *(CLASSES.index(thing["category"]) for thing in picture.objects)]
    return np.array(table, np.uint8)[picture.owners]


def _depth(picture: Picture) -> np.ndarray:
    """How far away things are in millimetres, uint16 `(SIDE, SIDE)`; 0: not known."""
    away = [
        1000 * TRUE_SIZES[thing["category"]] * SIDE / thing["size"]
        for thing in picture.objects
    ]
    return np.round([0, *away]).astype(np.uint16)[picture.owners]


def _color(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(30, 230, 3)
