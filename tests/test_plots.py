import numpy as np
import pytest

from hrnet_tf.plots import FEW, draw_confusion_matrix
from hrnet_tf.preprocess import read_image

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
