"""Drawn scenes of stuff and things, in COCO's panoptic format.

Sky above, meadow below, a road or a lake across it; balls, crates and trees that cover
one another. All of it is told by its colour and its pattern, so that a narrow network
learns it in minutes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.files import put_among, scratch_beside
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import write_json
from hrnet_tf.images.pictures import write_image

SIDE = 128  # pixels, of every image

# Name, whether it is a thing, and its colour, of each class; ids are counted from 1.
CLASSES: tuple[tuple[str, bool, tuple[int, int, int]], ...] = (
    ("sky", False, (120, 170, 230)),
    ("meadow", False, (90, 160, 70)),
    ("road", False, (120, 120, 120)),
    ("lake", False, (40, 80, 150)),
    ("ball", True, (220, 70, 60)),
    ("crate", True, (200, 150, 60)),
    ("tree", True, (40, 90, 50)),
)
IDS = {name: number for number, (name, _, _) in enumerate(CLASSES, 1)}
COLORS = {name: color for name, _, color in CLASSES}

THINGS = (2, 6)  # in an image, from and to; every sixth image has none
LEAST_PIXELS = 30  # of a thing; one of which less is seen is not annotated: void


def draw_scene_data_set(
    folder: str | Path, train: int = 1500, validation: int = 100, seed: int = 0
) -> None:
    """Draw the data set, unless it is there already.

    Args:
        folder: where to; gets `images/{train,val}`, and in `annotations` the files
            `panoptic_{train,val}.json` and the folders of their PNG files.
        train: number of training images.
        validation: number of validation images; none of them is among the training
            ones.
        seed: of all that is random.

    Example:
        ```python
        draw_scene_data_set("saved_models/demo/scenes", train=20, validation=5)
        ```
    """
    folder = Path(folder)
    for number, (split, count) in enumerate((("train", train), ("val", validation))):
        # It is written last.
        table = folder / "annotations" / f"panoptic_{split}.json"
        if not table.is_file():
            rng = np.random.default_rng([seed, number])
            with scratch_beside(folder / "images") as scratch:
                content = _draw_split(scratch, split, count, rng)
                put_among(scratch / "images", folder / "images" / split)
                put_among(scratch / "segments", table.with_suffix(""))
            write_json(table, content, indent=None)


def _draw_split(
    scratch: Path, split: str, count: int, rng: np.random.Generator
) -> dict[str, Any]:
    images, annotations = [], []
    bar = progress_bar(range(1, count + 1), desc=f"drawing {split}", unit="image")
    for number in bar:
        image, ids, kinds = draw_scene(rng)
        name = f"{number:06d}"
        write_image(scratch / "images" / f"{name}.jpg", image)
        pixels = np.stack([ids >> shift & 255 for shift in (0, 8, 16)], axis=-1)
        write_image(scratch / "segments" / f"{name}.png", pixels.astype(np.uint8))
        size = {"width": SIDE, "height": SIDE}
        images.append({"id": number, "file_name": f"{name}.jpg", **size})
        segments = [
            segment_of(ids, own, IDS[category]) for own, category in kinds.items()
        ]
        annotations.append(
            {
                "image_id": number,
                "file_name": f"{name}.png",
                "segments_info": segments,
            }
        )
    categories = [
        {"id": IDS[name], "name": name, "isthing": int(thing), "color": list(color)}
        for name, thing, color in CLASSES
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def segment_of(ids: np.ndarray, own: int, category: int) -> dict[str, Any]:
    """How COCO's panoptic format lists a segment.

    Args:
        ids: of the segments of pixels, `(height, width)`.
        own: its id.
        category: id of its class.
    """
    rows, columns = np.nonzero(ids == own)
    left, top = int(columns.min()), int(rows.min())
    box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
    facts = {"area": len(rows), "bbox": box, "iscrowd": 0}
    return {"id": own, "category_id": category, **facts}


def draw_scene(
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Draw one scene.

    Returns:
        uint8 RGB `(SIDE, SIDE, 3)`; the id of each pixel's segment, int32, 0 where
        nothing is annotated; and the class of each id.
    """
    image, stuff = _stuff(rng)
    owners = np.zeros((SIDE, SIDE), np.int32)
    kinds = [name for name, thing, _ in CLASSES if thing]
    things: list[str] = []
    few, many = THINGS
    count = int(rng.integers(few, many + 1)) if rng.random() > 1 / 6 else 0
    for _ in range(count):
        kind = kinds[int(rng.integers(len(kinds)))]
        things.append(kind)
        owners[_thing(image, kind, rng)] = len(things)
    noise = rng.normal(0, 5, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    # Ids that no byte holds, spread as COCO's are.
    free = rng.choice(256**3 - 1, len(IDS) + len(things), replace=False) + 1
    ids, categories = np.zeros((SIDE, SIDE), np.int32), {}
    for number, name in enumerate(IDS):
        own = (stuff == IDS[name]) & (owners == 0)
        if own.any():
            ids[own] = free[number]
            categories[int(free[number])] = name
    for number, name in enumerate(things, 1):
        own = owners == number
        if own.sum() >= LEAST_PIXELS:
            ids[own] = free[len(IDS) + number - 1]
            categories[int(free[len(IDS) + number - 1])] = name
    return image, ids, categories


def _stuff(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sky, meadow and what crosses it: the image and the class of each pixel."""
    columns = np.arange(SIDE)
    rows = np.arange(SIDE)[:, None]
    horizon = SIDE * rng.uniform(0.25, 0.5) + SIDE * rng.uniform(0, 0.06) * np.sin(
        columns / SIDE * rng.uniform(3, 9) + rng.uniform(0, 6)
    )
    stuff = np.where(rows < horizon, IDS["sky"], IDS["meadow"])
    band = ("road", "lake", "")[int(rng.integers(3))]
    if band:
        middle = SIDE * rng.uniform(0.6, 0.85) + rng.uniform(-0.3, 0.3) * (
            columns - SIDE / 2
        )
        half = SIDE * rng.uniform(0.05, 0.1)
        stuff = np.where(
            (np.abs(rows - middle) < half) & (rows > horizon), IDS[band], stuff
        )
    colors = np.zeros((len(IDS) + 1, 3))
    for name, _, color in CLASSES:
        colors[IDS[name]] = np.array(color) + rng.normal(0, 8, 3)
    image = colors[stuff]
    image[..., :] += (
        20 * (rows / SIDE - 0.5)[..., None] * (stuff == IDS["sky"])[..., None]
    )
    grain = rng.normal(0, 18, (SIDE // 2, SIDE // 2, 1)).repeat(2, 0).repeat(2, 1)
    image += grain * (stuff == IDS["meadow"])[..., None]
    waves = 14 * np.sin(rows * 1.3 + columns * 0.2)
    image += (waves * (stuff == IDS["lake"]))[..., None]
    return np.clip(image, 0, 255), stuff


def _thing(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw one thing into an image; bool, the pixels that it covers."""
    size = SIDE * rng.uniform(0.08, 0.16)
    x, y = SIDE * rng.uniform(0.08, 0.92), SIDE * rng.uniform(0.3, 0.9)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    color = np.array(COLORS[kind], float)
    color += rng.normal(0, 14, 3)
    marks = np.zeros_like(mask)
    middle, radius = (round(x), round(y)), max(3, round(size))
    if kind == "ball":
        cv2.circle(mask, middle, radius, 1, -1)
        shine = round(x - radius * 0.3), round(y - radius * 0.3)
        cv2.circle(marks, shine, max(1, radius // 3), 1, -1)
        other = np.full(3, 250.0)
    elif kind == "crate":
        turn = rng.uniform(-0.25, 0.25) + np.pi / 4 + np.arange(4) * np.pi / 2
        corners = np.stack([x + size * np.cos(turn), y + size * np.sin(turn)], axis=-1)
        corners = np.round(corners).astype(np.int32)
        cv2.fillConvexPoly(mask, corners, 1)
        cv2.line(marks, corners[0].tolist(), corners[2].tolist(), 1, 2)
        cv2.line(marks, corners[1].tolist(), corners[3].tolist(), 1, 2)
        other = color * 0.5
    else:
        trunk = max(2, round(size / 4))
        foot = (round(x + trunk / 2), round(y + size * 1.7))
        cv2.rectangle(marks, (round(x - trunk / 2), round(y)), foot, 1, -1)
        mask[marks > 0] = 1
        crown = np.array(
            [
                [x - size, y + size * 0.7],
                [x, y - size * 1.3],
                [x + size, y + size * 0.7],
            ]
        )
        cv2.fillConvexPoly(mask, np.round(crown).astype(np.int32), 1)
        cv2.fillConvexPoly(marks, np.round(crown).astype(np.int32), 0)
        other = np.array([95.0, 65.0, 40.0])
    image[mask > 0] = color
    image[(marks & mask) > 0] = other
    return mask > 0
