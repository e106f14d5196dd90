"""Faces that are drawn for tests."""

from pathlib import Path

import numpy as np

from hrnet_tf.drawn.faces import DrawnFace, draw_face
from hrnet_tf.images.pictures import write_image


def draw_faces(count: int, seed: int = 0) -> list[DrawnFace]:
    rng = np.random.default_rng(seed)
    return [draw_face(rng) for _ in range(count)]


def some_points(count: int, faces: int, seed: int = 0) -> np.ndarray:
    """Points of faces as other sets have them, `(faces, count, 2)`."""
    rng = np.random.default_rng(seed)
    return rng.uniform(30, 120, (faces, count, 2)).round(3)


def write_faces_as_images(folder: Path, names: list[str]) -> None:
    for name, face in zip(names, draw_faces(len(names)), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, face.image)
