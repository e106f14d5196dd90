"""JPEG files like photographs, and people in them, as large as COCO's usually are."""

from pathlib import Path

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.tasks.keypoints.people import People

IMAGE_SIZE = (480, 640)  # height and width
QUALITY = 95  # gives files of about 150 kB; COCO's have 160 on average
PEOPLE_PER_IMAGE = 2

# Texture from coarse to fine: cells across the image, and how strong it is.
OCTAVES = ((3, 60), (8, 40), (24, 25), (80, 14), (240, 9))


def draw_people(folder: Path, images: int, seed: int = 0) -> People:
    """Draw images into a folder.

    Args:
        folder: where to.
        images: how many.
        seed: of all that is random.

    Returns:
        People of these images, with boxes and keypoints anywhere in their boxes; nobody
        can be seen in the images.
    """
    rng = np.random.default_rng(seed)
    files = [folder / f"{number:06d}.jpg" for number in range(images)]
    for file in files:
        cv2.imwrite(
            str(file), draw_photograph(rng), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
    count = images * PEOPLE_PER_IMAGE
    index = np.repeat(np.arange(images), PEOPLE_PER_IMAGE)
    heights = np.exp(rng.uniform(np.log(70), np.log(440), count))
    sizes = np.stack([heights * rng.uniform(0.3, 0.75, count), heights], axis=-1)
    corners = rng.random((count, 2)) * (np.array(IMAGE_SIZE[::-1]) - sizes)
    points = corners[:, None] + rng.random((count, 17, 2)) * sizes[:, None]
    weights = (rng.random((count, 17, 1)) < 0.7).astype(np.float64)
    return People(
        files=np.array([str(file) for file in files])[index],
        image_ids=index,
        sources=np.array([f"person {number}" for number in range(count)]),
        image_sizes=np.tile(IMAGE_SIZE, (count, 1)),
        boxes=np.concatenate([corners, sizes], axis=-1),
        scores=np.ones(count),
        keypoints=np.concatenate([points, weights], axis=-1),
    )


def draw_photograph(rng: np.random.Generator) -> np.ndarray:
    """Coarse and fine texture with a camera's noise, uint8 `(*IMAGE_SIZE, 3)`."""
    height, width = IMAGE_SIZE
    image = np.full((height, width, 3), 128.0, np.float32)
    for cells, strength in OCTAVES:
        shape = (cells * 3 // 4, cells)
        cell_values = 0.8 * rng.standard_normal((*shape, 1))
        cell_values = cell_values + 0.4 * rng.standard_normal((*shape, 3))
        image += strength * cv2.resize(
            cell_values.astype(np.float32), (width, height), None, 0, 0, cv2.INTER_CUBIC
        )
    image += rng.normal(0, 5, (height, width, 1))
    return np.clip(image, 0, 255).astype(np.uint8)
