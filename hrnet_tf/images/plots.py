"""Plots of results: confusion matrices, curves of a training, exports compared."""

import contextlib
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.files import writing
from hrnet_tf.common.history import read_history
from hrnet_tf.images.lettering import font_families, shortened

FEW = 30  # classes of which each gets its name and its numbers
EXACT = 9999  # the largest number that fits into a cell; larger ones become shares
NAME_WIDTH = 190  # pixels of a class's name
SCORE_MARGIN = 0.02  # below the lowest score and above the highest
OUTLIER = 4.0  # times slower than the next: beside the axis
SEVERAL_DECADES = 50.0  # of a loss's highest to its lowest: a logarithmic axis
SPARSE = 40  # epochs up to which each has a marker
PANELS = 4  # curves beside one another
# One colour a runtime: the first word of a format's name.
RUNTIMES = {
    "keras": "#444444",
    "savedmodel": "#d95f02",
    "tflite": "#1b7f5c",
    "onnx": "#3b5fc0",
    "openvino": "#8a2be2",
}
MARKERS = "os^vDP*Xh"


@contextlib.contextmanager
def _figure(
    path: str | Path, size: tuple[float, float], texts: Sequence[str] = ()
) -> Iterator[Any]:
    """A figure to draw in; it is written when all is drawn.

    Args:
        path: the file.
        size: inches, width and height.
        texts: of whose characters fonts are needed.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Names are no formulas, whatever dollars they hold.
    settings = {"font.family": font_families(texts), "text.parse_math": False}
    with rc_context(settings), warnings.catch_warnings():
        # What no font has has been said.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with writing(path) as partial:
            figure.savefig(partial, dpi=100)


def draw_confusion_matrix(
    matrix: np.ndarray, classes: Sequence[str], path: str | Path
) -> None:
    """Draw what is taken for what, as a PNG.

    Args:
        matrix: `(classes, classes)`, numbers of images or pixels: rows are true
            classes, columns the predicted ones. Colours are shares of a row; so are the
            numbers of few classes, in percent, where they would be too long. A class
            that does not occur is grey.
        classes: their names.
        path: the file to write.
    """
    from matplotlib.ticker import MaxNLocator

    total = matrix.sum(axis=1, keepdims=True)
    shares = np.where(total, matrix / np.where(total, total, 1), np.nan)
    few = len(classes) <= FEW
    names = [shortened(name, 13, NAME_WIDTH) for name in classes]
    side = 3.0 + 0.5 * len(classes) if few else 10.0
    with _figure(path, (side + 1, side), names if few else ()) as figure:
        axis = figure.subplots()
        axis.set_facecolor("#d8d8d8")
        # Mistakes are rare among many classes: the root makes them show.
        norm = "linear" if few else _root_norm()
        limits = {"vmin": 0, "vmax": 1} if few else {}
        image = axis.imshow(shares, cmap="Blues", norm=norm, **limits)
        axis.set(xlabel="predicted", ylabel="true")
        percent = few and matrix.max() > EXACT
        inside = "\nnumbers: percent" if percent else ""
        label = f"share of the true class{inside}"
        figure.colorbar(image, ax=axis, label=label, shrink=0.8)
        if few:
            ticks = np.arange(len(classes))
            axis.set_xticks(
                ticks, names, rotation=45, ha="right", rotation_mode="anchor"
            )
            axis.set_yticks(ticks, names)
            _write_cells(axis, 100 * shares if percent else matrix, shares, percent)
        else:
            axis.xaxis.set_major_locator(MaxNLocator(10, integer=True))
            axis.yaxis.set_major_locator(MaxNLocator(10, integer=True))
            axis.set(xlabel="predicted (index)", ylabel="true (index)")


def _root_norm() -> Any:
    from matplotlib.colors import PowerNorm

    return PowerNorm(0.4, 0, 1)


def _write_cells(
    axis: Any, numbers: np.ndarray, shares: np.ndarray, percent: bool
) -> None:
    for row, column in np.argwhere(np.nan_to_num(numbers) > 0):
        number = numbers[row, column]
        text = f"{number:g}"
        if percent:
            text = "<1" if number < 1 else f"{number:.0f}"
        color = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, text, ha="center", va="center", color=color, fontsize=9)


def draw_curves(history: str | Path, picture: str | Path) -> None:
    """Draw every column of a training history (CSV) over the epochs, as a PNG.

    Columns that differ only by `val_` share a panel; the loss comes first. A loss or a
    learning rate over several powers of ten has a logarithmic axis. Epochs without a
    number, such as those without validation, are left out.
    """
    rows = read_history(history)
    if not rows:
        return
    names = [name for name in rows[0] if name != "epoch"]
    panels = sorted(
        {name.removeprefix("val_") for name in names},
        key=lambda name: (name != "loss", name),
    )
    epochs = np.array([int(row["epoch"]) for row in rows])
    columns = min(PANELS, len(panels))
    lines = -(-len(panels) // columns)
    with _figure(picture, (4.5 * columns, 3.5 * lines), names) as figure:
        axes = np.ravel(figure.subplots(lines, columns, squeeze=False))
        for axis, panel in zip(axes, panels, strict=False):
            series = {
                label: np.array([float(row[name] or "nan") for row in rows])
                for name, label in ((panel, "training"), (f"val_{panel}", "validation"))
                if name in names
            }
            _draw_panel(axis, panel, epochs, series)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()


def _draw_panel(
    axis: Any, panel: str, epochs: np.ndarray, series: Mapping[str, np.ndarray]
) -> None:
    from matplotlib.ticker import MaxNLocator

    for label, values in series.items():
        known = np.isfinite(values)
        marker = "o" if known.sum() <= SPARSE else ""
        color = {"training": "C0", "validation": "C1"}[label]
        style = {"marker": marker, "markersize": 4, "label": label, "color": color}
        axis.plot(epochs[known], values[known], **style)
    numbers = np.concatenate(list(series.values()))
    numbers = numbers[np.isfinite(numbers)]
    grows = "loss" in panel or "learning_rate" in panel or panel == "lr"
    if grows and len(numbers) and 0 < SEVERAL_DECADES * numbers.min() <= numbers.max():
        axis.set_yscale("log")
        _plain_numbers(axis.yaxis, numbers.max() / numbers.min())
    axis.set(title=panel, xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axis.grid(alpha=0.3)
    axis.legend()


def _plain_numbers(axis: Any, ratio: float) -> None:
    """Numbers on a logarithmic axis, such as 0.02; more of them where it is short."""
    from matplotlib.ticker import LogLocator, NullFormatter

    steps = (1.0,) if ratio > 1e4 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(lambda number, _: f"{number:g}")
    axis.set_minor_formatter(NullFormatter())


def draw_error_curves(
    errors: Mapping[str, np.ndarray], bound: float, what: str, path: str | Path
) -> None:
    """Draw which share of samples has at most which error, as a PNG.

    Args:
        errors: by the name of each line, of its samples, `(n,)`.
        bound: where the axis of the errors ends.
        what: the errors are.
        path: the file to write.
    """
    with _figure(path, (7.5, 5), [*errors, what]) as figure:
        axis = figure.subplots()
        for name, values in errors.items():
            ordered = np.sort(values)
            shares = np.arange(1, len(ordered) + 1) / len(ordered)
            # Steps, from nothing at 0 to the end of the axis.
            x = np.concatenate([[0.0], ordered, [max(bound, ordered[-1])]])
            y = np.concatenate([[0.0], shares, [1.0]])
            wide = {"linewidth": 2.2} if name == next(iter(errors)) else {}
            label = f"{name} ({len(ordered)})"
            axis.step(x, y, where="post", label=label, **wide)
        axis.set(xlabel=what, ylabel="share of samples with at most this error")
        axis.set(xlim=(0, bound), ylim=(0, 1.01))
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small", loc="lower right")


def draw_precision_recall(
    curves: Mapping[str, np.ndarray], recalls: np.ndarray, path: str | Path
) -> None:
    """Draw how precise findings are at each recall, as a PNG.

    Args:
        curves: by the name of each line, precisions `(n,)`; the first one stands out.
        recalls: `(n,)`, ascending.
        path: the file to write.
    """
    with _figure(path, (7.5, 5.5), list(curves)) as figure:
        axis = figure.subplots()
        for number, (name, precisions) in enumerate(curves.items()):
            style = {} if number else {"linewidth": 2.4, "color": "#222222"}
            label = f"{name} ({np.mean(precisions):.3f})"
            axis.plot(recalls, precisions, label=label, **style)
        axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small", loc="lower left")


def draw_flavours(
    points: Mapping[str, tuple[float, float]], time: str, score: str, path: str | Path
) -> None:
    """Draw what costs how much time and is how good, as a PNG.

    Names stand at their points, one colour a runtime. What is many times slower than
    all others stands at the edge, with an arrow and its time.

    Args:
        points: time and score by name.
        time: what the times are, with their unit.
        score: what the scores are.
        path: the file to write.
    """
    points = {name: p for name, p in points.items() if np.isfinite(p).all()}
    with _figure(path, (9, 5.5), [*points, time, score]) as figure:
        axis = figure.subplots()
        axis.grid(alpha=0.3)
        if points:
            _draw_points(figure, axis, points)
        axis.set(xlabel=time, ylabel=score)


def _draw_points(
    figure: Any, axis: Any, points: Mapping[str, tuple[float, float]]
) -> None:
    scores = [value for _, value in points.values()]
    # A point of the metric at least, so that noise does not look like a difference.
    margin = max(SCORE_MARGIN, 0.1 * (max(scores) - min(scores)))
    axis.set_ylim(min(scores) - margin, max(scores) + margin)
    times = [time for time, _ in points.values()]
    first, last = min(times), _last_on_axis(times)
    edge = last * (last / first) ** 0.15 * 1.2
    axis.set_xscale("log")
    axis.set_xlim(0.7 * first, edge)
    _plain_numbers(axis.xaxis, last / first)
    seen: dict[str, int] = {}
    texts, places = [], []
    for name, (x, y) in points.items():
        runtime = name.split("_")[0]
        number = seen[runtime] = seen.get(runtime, -1) + 1
        style: dict[str, Any] = {
            "color": RUNTIMES.get(runtime, "#8e44ad"),
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 8,
            "linestyle": "",
        }
        text = name
        if x > last:
            x, style["marker"] = 0.99 * edge, ">"
            text = f"{name}: {points[name][0]:.3g} →"
        axis.plot(x, y, label=runtime if not number else None, clip_on=False, **style)
        texts.append((text, style["color"]))
        places.append((x, y))
    axis.legend(
        title="runtime", fontsize="small", loc="upper left", bbox_to_anchor=(1, 1)
    )
    _name_points(figure, axis, texts, places)


def _last_on_axis(times: Sequence[float]) -> float:
    """The highest time that is not many times larger than the one before."""
    ordered = sorted(times)
    for before, after in itertools.pairwise(ordered):
        if after > OUTLIER * before and before > 0:
            return before
    return ordered[-1]


def _name_points(
    figure: Any,
    axis: Any,
    texts: Sequence[tuple[str, str]],
    places: Sequence[tuple[float, float]],
) -> None:
    """Write names beside points where they cover neither points nor one another."""
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    renderer = figure.canvas.get_renderer()
    figure.draw_without_rendering()  # only now it is known where things are
    frame = axis.get_window_extent()
    points = axis.transData.transform(places)
    taken = [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in points]
    for (text, color), place in zip(texts, places, strict=True):
        written = axis.annotate(
            text,
            place,
            (0, 0),
            textcoords="offset points",
            fontsize=8,
            color=color,
            va="center",
            arrowprops={"arrowstyle": "-", "color": color, "alpha": 0.5, "lw": 0.6},
        )
        for x, y, side in _offsets():
            written.set_ha(side)
            written.xyann = (x, y)
            written.update_positions(renderer)
            box = Text.get_window_extent(written, renderer).padded(1)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _offsets() -> Iterator[tuple[float, float, str]]:
    """Places for a name around its point, in points of type: near ones first."""
    for distance in range(0, 200, 11):
        for y in dict.fromkeys((distance, -distance)):
            for side, x in (("left", 9.0), ("right", -9.0)):
                yield x, y, side
            if distance:
                yield 0.0, y, "center"


def draw_costs(
    panels: Mapping[str, Mapping[str, tuple[float, float, bool]]],
    title: str,
    cost: str,
    score: str,
    path: str | Path,
) -> None:
    """Draw which network costs how much and is how good, as a PNG.

    Args:
        panels: by what is in each, by the name of each network there: its cost, its
            score, and whether it is one that the others are compared with.
        title: what is compared.
        cost: what costs are, with their unit.
        score: what scores are.
        path: the file to write.
    """
    names = [name for points in panels.values() for name in points]
    wide = 8 if len(panels) == 1 else 4.5 * len(panels)
    with _figure(path, (wide, 5.5), [*names, *panels, title, cost, score]) as figure:
        figure.suptitle(title, fontsize="medium")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (panel, points) in zip(axes, panels.items(), strict=True):
            axis.set_title(panel, fontsize="small")
            axis.set(xlabel=cost, ylabel=score)
            axis.grid(alpha=0.3)
            axis.margins(0.25, 0.12)
            texts, places = [], []
            for name, (x, y, compared) in points.items():
                color = RUNTIMES["savedmodel" if compared else "onnx"]
                axis.plot(x, y, "s" if compared else "o", color=color, markersize=8)
                texts.append((name, color))
                places.append((x, y))
            _name_points(figure, axis, texts, places)
