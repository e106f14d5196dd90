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


def write_tiny_experiment(folder: Path, faces: Path, side: int) -> Path:
    """A configuration of a tiny network for faces that are drawn in a folder.

    Args:
        folder: where to write it, and where its run goes.
        faces: what `draw_face_data_set` has drawn.
        side: of the crops, in pixels.
    """
    path = folder / "tiny.yaml"
    path.write_text(
        f"""
task: landmarks
output: {folder}/run
model:
  width: 4
  size: [{side}, {side}]
  modules: [1, 1, 1]
  blocks: 1
  stem: [[8, 2], [8, 2]]
  bn_momentum: 0.5
data:
  landmarks: drawn
  train: {{annotations: {faces}/faces_train.csv, images: {faces}/images/train}}
  validation: {{annotations: {faces}/faces_val.csv, images: {faces}/images/val}}
train: {{epochs: 2, batch_size: 4, drop_at: [], learning_rate: 0.01}}
"""
    )
    return path
