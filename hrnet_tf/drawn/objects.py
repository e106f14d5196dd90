"""The drawn data set with more objects in an image, which cover one another."""

from pathlib import Path

from hrnet_tf.drawn.figures import Company, draw_data_set

SCENE = Company((1, 4), (0.3, 0.85), 0.35, (1, 5), crates=True)


def draw_object_data_set(
    folder: str | Path, train: int = 1500, validation: int = 100, seed: int = 0
) -> None:
    """Draw images of persons, balls and boxes; see `figures.draw_data_set`."""
    draw_data_set(folder, train, validation, seed, SCENE)
