"""The drawn data set with more figures in an image, some of whom cover others."""

from pathlib import Path

from hrnet_tf.drawn.figures import Company, draw_data_set

CROWD = Company((1, 5), (0.32, 0.7), 0.35)


def draw_crowd_data_set(
    folder: str | Path, train: int = 1500, validation: int = 100, seed: int = 0
) -> None:
    """Draw images of one to five figures; see `figures.draw_data_set`."""
    draw_data_set(folder, train, validation, seed, CROWD)
