"""Plots of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.files import writing

FEW = 30  # classes of which each gets its name and its numbers
SCORE_MARGIN = 0.02  # below the lowest score and above the highest
MARKERS = "os^vDP*Xh"


def draw_confusion_matrix(
    matrix: np.ndarray, classes: Sequence[str], path: str | Path
) -> None:
    """Draw what is taken for what, as a PNG.

    Args:
        matrix: `(classes, classes)`, numbers of images: rows are true classes, columns
            the predicted ones. Colours are shares of a row.
        classes: their names.
        path: the file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.where(total, total, 1)
    few = len(classes) <= FEW
    side = 3.0 + 0.5 * len(classes) if few else 10.0
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, ax=axis, label="share of the true class", shrink=0.8)
    if few:
        ticks = np.arange(len(classes))
        axis.set_xticks(ticks, classes, rotation=45, ha="right")
        axis.set_yticks(ticks, classes)
        for row, column in np.ndindex(*matrix.shape):
            if matrix[row, column]:
                axis.text(
                    column,
                    row,
                    f"{matrix[row, column]:g}",
                    ha="center",
                    va="center",
                    color="white" if shares[row, column] > 0.5 else "black",
                )
    with writing(path) as partial:
        figure.savefig(partial, dpi=100)


def draw_flavours(
    points: Mapping[str, tuple[float, float]], time: str, score: str, path: str | Path
) -> None:
    """Draw what costs how much time and is how good, as a PNG.

    Args:
        points: time and score by name.
        time: what the times are, with their unit.
        score: what the scores are.
        path: the file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.set(xlabel=time, ylabel=score, xscale="log")
    axis.grid(alpha=0.3, which="both")
    axis.margins(x=0.25)
    scores = [value for _, value in points.values()]
    # A point of the metric at least, so that noise does not look like a difference.
    axis.set_ylim(min(scores) - SCORE_MARGIN, max(scores) + SCORE_MARGIN)
    for number, (name, (x, y)) in enumerate(points.items()):
        marker = MARKERS[number % len(MARKERS)]
        axis.plot(x, y, marker, markersize=8, label=f"{name}: {x:.3g}, {y:.4g}")
    # Points lie close together: names beside them would cover one another.
    axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    with writing(path) as partial:
        figure.savefig(partial, dpi=100)
