import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from hrnet_tf.images.files import read_image
from hrnet_tf.images.plots import FEW, draw_confusion_matrix, draw_curves, draw_flavours

FOUR = np.array([[8, 2, 0, 0], [1, 9, 0, 0], [0, 0, 5, 5], [0, 0, 0, 0]])


@pytest.fixture
def drawn(tmp_path):
    """`drawn(matrix, names)`: the picture, uint8 RGB."""

    def draw(matrix, names=None):
        names = names or [f"class {number}" for number in range(len(matrix))]
        draw_confusion_matrix(matrix, names, tmp_path / "matrix.png")
        return read_image(tmp_path / "matrix.png")

    return draw


@pytest.fixture
def many(rng):
    return rng.integers(1, 9, (FEW + 1, FEW + 1))


def test_few_classes_get_their_names_and_numbers(drawn):
    picture = drawn(FOUR)
    assert picture.shape == (500, 600, 3)
    assert (picture != drawn(FOUR, ["other", "names", "than", "before"])).any()
    assert (picture != drawn(FOUR * 2)).any()


def test_many_classes_get_colours_only(many, drawn):
    picture = drawn(many)
    assert picture.shape == (1000, 1100, 3)
    np.testing.assert_array_equal(picture, drawn(many, [" "] * len(many)))
    np.testing.assert_array_equal(picture, drawn(many * 3))


def test_colours_are_shares_of_a_row(many, drawn):
    # By powers of two, or rounding would change the shares.
    factors = 2 ** (np.arange(len(many)) % 3)
    picture = drawn(many)
    np.testing.assert_array_equal(picture, drawn(many * factors[:, None]))
    assert (picture != drawn(many * factors)).any()


def test_a_thousand_classes_fit(drawn):
    picture = drawn(np.eye(1000))
    assert picture.shape == (1000, 1100, 3)
    # The diagonal shows although a cell is smaller than a pixel.
    blue = picture[..., 2].astype(int) - picture[..., 0] > 40
    assert blue[:, :900].sum() > 500


def test_a_class_without_images_is_drawn_without_a_warning(drawn):
    assert drawn(np.zeros((2, 2))).ndim == 3


@pytest.mark.parametrize(
    ("header", "panels"),
    [("epoch,loss", 1), ("epoch,loss,val_loss", 1), ("epoch,loss,val_AP", 2)],
)
def test_curves_share_a_panel_with_their_validation(header, panels, tmp_path):
    rows = ["0" + ",1.5" * header.count(","), "1" + ",nan" * header.count(",")]
    (tmp_path / "history.csv").write_text("\n".join([header, *rows]) + "\n")
    draw_curves(tmp_path / "history.csv", tmp_path / "curves.png")
    assert read_image(tmp_path / "curves.png").shape == (350, 450 * panels, 3)


def test_a_history_without_epochs_draws_nothing(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss\n")
    draw_curves(tmp_path / "history.csv", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


@pytest.fixture
def figures(monkeypatch):
    """The figures that are written, in their order, as they were drawn."""
    kept = []
    write = Figure.savefig

    def keep(figure, *args, **kwargs):
        kept.append(figure)
        write(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept


def curves(figures, tmp_path, **columns):
    """The panels of a history, by their titles."""
    count = len(next(iter(columns.values())))
    rows = [",".join(["epoch", *columns])]
    for row in range(count):
        rows.append(
            ",".join(str(c) for c in (row + 1, *(v[row] for v in columns.values())))
        )
    (tmp_path / "history.csv").write_text("\n".join(rows) + "\n")
    draw_curves(tmp_path / "history.csv", tmp_path / "curves.png")
    return {axis.get_title(): axis for axis in figures[-1].axes if axis.get_title()}


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 30, 210])
def test_epochs_are_whole_numbers(epochs, figures, tmp_path):
    axis = curves(figures, tmp_path, loss=[1.0] * epochs)["loss"]
    low, high = axis.get_xlim()
    shown = [tick for tick in axis.get_xticks() if low <= tick <= high]
    assert shown
    assert all(float(tick).is_integer() and 1 <= tick <= epochs for tick in shown)
    texts = [label.get_text() for label in axis.get_xticklabels()]
    assert all("." not in text for text in texts)


def test_losses_over_several_decades_have_a_logarithmic_axis(figures, tmp_path):
    wide, narrow = [10.0, 1.0, 0.01], [3.0, 2.0, 1.0]
    panels = curves(
        figures, tmp_path, loss=wide, accuracy=[0.001, 0.1, 0.9], learning_rate=wide
    )
    scales = {name: axis.get_yscale() for name, axis in panels.items()}
    assert scales == {"loss": "log", "accuracy": "linear", "learning_rate": "log"}
    assert next(iter(panels)) == "loss"
    panels = curves(figures, tmp_path, loss=narrow, learning_rate=[0.1] * 3)
    assert {axis.get_yscale() for axis in panels.values()} == {"linear"}
    labels = [label.get_text() for label in panels["loss"].get_yticklabels()]
    assert not any("$" in text for text in labels)


def test_epochs_without_validation_are_left_out(figures, tmp_path):
    scores = ["", "nan", 0.5, "", 0.7]
    axis = curves(figures, tmp_path, val_AP=scores, loss=[1.0] * 5)["AP"]
    (line,) = axis.get_lines()
    assert (line.get_xdata().tolist(), line.get_label()) == ([3, 5], "validation")
    assert line.get_marker() == "o"


NAMES = ["cat", "$x$ \\frac{", "a name " * 20, "Žluťoučký", "кошка", "_hidden", ""]


def test_names_are_drawn_as_they_are_and_short(figures, tmp_path):
    matrix = np.eye(len(NAMES), dtype=int)
    draw_confusion_matrix(matrix, NAMES, tmp_path / "matrix.png")
    labels = [label.get_text() for label in figures[-1].axes[0].get_yticklabels()]
    assert labels[:2] + labels[3:] == NAMES[:2] + NAMES[3:]
    assert labels[2].endswith("…")
    assert len(labels[2]) < 40


@pytest.mark.parametrize("most", [900, 10**9])
def test_numbers_fit_into_their_cells(most, figures, tmp_path):
    matrix = np.array([[most, 3], [1, most // 2]])
    draw_confusion_matrix(matrix, ["a", "b"], tmp_path / "matrix.png")
    texts = [text.get_text() for text in figures[-1].axes[0].texts]
    exact = ["900", "3", "1", "450"]
    assert texts == (exact if most == 900 else ["100", "<1", "<1", "100"])


POINTS = {
    "keras": (38.2, 0.9),
    "savedmodel": (12.1, 0.9),
    "tflite": (9.9, 0.9001),
    "tflite_float16": (10.1, 0.9),
    "tflite_int8": (6.6, 0.87),
    "tflite_int16x8": (245.0, 0.899),
    "onnx": (9.95, 0.9),
    "onnx_int8": (float("nan"), 0.868),
}


def test_exports_are_named_at_their_points(figures, tmp_path):
    draw_flavours(POINTS, "one image (ms)", "AP", tmp_path / "flavours.png")
    figure = figures[-1]
    axis = figure.axes[0]
    texts = {text.get_text(): text for text in axis.texts}
    assert set(texts) == {*POINTS, "tflite_int16x8: 245 →"} - {
        "tflite_int16x8",
        "onnx_int8",  # was not measured
    }
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("one image (ms)", "AP")
    assert 38.2 < axis.get_xlim()[1] < 245  # what is far slower stands at the edge
    renderer = figure.canvas.get_renderer()
    boxes = [Text.get_window_extent(text, renderer) for text in texts.values()]
    frame = axis.get_window_extent()
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1
    colors = {}
    for line in axis.get_lines():
        colors.setdefault(line.get_color(), []).append(line)
    assert sorted(map(len, colors.values())) == [1, 1, 1, 4]  # one a runtime
    picture = read_image(tmp_path / "flavours.png")
    assert max(box.x1 for box in boxes) < picture.shape[1]
