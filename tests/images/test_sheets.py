"""Sheets of pictures, legends and bars: no gaps, no repeats, all of it readable."""

import numpy as np
import pytest

from hrnet_tf.images.lettering import ALARM, FRAME, PAPER
from hrnet_tf.images.sheets import (
    GAP,
    Entry,
    Tile,
    contact_sheet,
    enlarged,
    enlarged_points,
    enlargement,
    legend_strip,
    strip,
    swatch_side,
)


def grey(height, width, value):
    return np.full((height, width, 3), value, np.uint8)


SIZES = [(20, 40), (40, 20), (8, 8), (300, 200), (64, 64), (5, 600), (90, 120)]
IMAGES = [grey(*size, 60 + 20 * index) for index, size in enumerate(SIZES)]


def places(sheet, value):
    """Where a picture is: rows and columns of its first and last pixel."""
    rows, columns = np.nonzero((sheet == value).all(axis=-1))
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize("count", range(1, len(IMAGES) + 1))
@pytest.mark.parametrize("columns", [1, 3, 8])
def test_a_sheet_has_each_picture_once_on_paper(count, columns):
    sheet = contact_sheet(IMAGES[:count], columns, side=50)
    corners = [places(sheet, image[0, 0, 0]) for image in IMAGES[:count]]
    for index, (top, bottom, left, right) in enumerate(corners):
        whole = sheet[top : bottom + 1, left : right + 1]
        assert (whole == IMAGES[index][0, 0]).all()  # in one piece, and only once
        assert max(bottom - top, right - left) == 49
    covered = sum((b - t + 1) * (r - x + 1) for t, b, x, r in corners)
    assert (sheet == PAPER).all(axis=-1).sum() == sheet[..., 0].size - covered
    assert sheet.min() >= 60  # nothing is black


def test_rows_and_columns_are_no_larger_than_their_pictures():
    wide = [grey(20, 40, 100)] * 4
    sheet = contact_sheet(wide, columns=2, side=40)
    assert sheet.shape == (2 * 20 + 3 * GAP, 2 * 40 + 3 * GAP, 3)
    assert contact_sheet(wide[:1], columns=8, side=40).shape[1] == 40 + 2 * GAP


def test_a_sheet_without_pictures_says_so():
    sheet = contact_sheet([], columns=8)
    assert (sheet != PAPER).any()
    assert (sheet == PAPER).mean() > 0.5


def test_captions_stand_below_and_never_on_a_picture():
    plain = grey(40, 40, 100)
    tiles = [Tile(plain, "a" * 500), Tile(plain), Tile(plain, "wrong", alarming=True)]
    sheet = contact_sheet(tiles, columns=3, side=128)
    for column in range(3):
        left = GAP + column * (128 + GAP)
        assert (sheet[GAP : GAP + 128, left : left + 128] == 100).all()
        assert (sheet[:, left + 128 : left + 128 + GAP] == PAPER).all()
    assert (sheet == ALARM).all(axis=-1)[:, 2 * 128 + 2 * GAP :].any()
    assert not (sheet == ALARM).all(axis=-1)[:, : 2 * 128 + 2 * GAP].any()


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (0, 0, 70), PAPER])
def test_every_swatch_has_a_frame(color):
    size = 16
    side = swatch_side(size)
    swatch = np.full((side, side, 3), color, np.uint8)
    legend = legend_strip([Entry("", swatch)], 400, size)
    framed = (legend == FRAME).all(axis=-1)
    assert framed.sum() == 4 * (side - 1)
    rows, columns = np.nonzero(framed)
    inside = legend[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()]
    assert (inside == color).all()


def test_a_legend_of_so_many_lines_has_always_the_same_height():
    swatch = grey(4, 4, 100)
    legends = [
        legend_strip([Entry(f"class {n}", swatch) for n in range(count)], 400, 13, 2)
        for count in (0, 1, 5, 40)
    ]
    assert len({legend.shape for legend in legends}) == 1
    few, many = legends[1], legends[3]
    assert (many[:, -120:] != few[:, -120:]).any()  # it says how many more there are


@pytest.mark.parametrize("width", [1, 100, 2000])
def test_text_has_room_whatever_the_picture_is(width):
    texts = ["w" * 300, "short"]
    paper = strip(texts, width, 16)
    assert paper.shape[1] >= 320
    margins = np.concatenate([paper[:, :4], paper[:, -4:]], axis=1)
    assert (margins == PAPER).all()


def test_small_pictures_become_large_by_a_whole_number():
    image = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)
    factor = enlargement(image.shape)
    large = enlarged(image, factor)
    assert max(large.shape) >= 320
    np.testing.assert_array_equal(large[::factor, ::factor], image)
    np.testing.assert_array_equal(
        large[factor - 1 :: factor, factor - 1 :: factor], image
    )
    assert enlargement((300, 4000)) == 1


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_points_stay_in_the_middle_of_what_they_show(factor):
    image = np.zeros((7, 9, 3), np.uint8)
    image[4, 2] = 255
    rows, columns = np.nonzero(enlarged(image, factor)[..., 0])
    found = enlarged_points(np.array([2.0, 4.0]), factor)
    np.testing.assert_array_equal(found, [columns.mean(), rows.mean()])


@pytest.mark.parametrize("width", [10, 400, 1600])
def test_names_in_a_legend_end_inside(width):
    names = ["cat", "an endless name " * 40, "dog"]
    paper = legend_strip([Entry(name, grey(4, 4, 90)) for name in names], width, 16)
    assert (paper[:, -4:] == PAPER).all()
    assert (paper[:4] == PAPER).all()
    assert (paper[-1:] == PAPER).all()
