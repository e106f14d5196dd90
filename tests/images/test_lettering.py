"""Text in pictures: it can be read, and stays inside."""

import logging

import numpy as np
import pytest
from matplotlib import font_manager

from hrnet_tf.images import lettering
from hrnet_tf.images.lettering import (
    INK,
    PAPER,
    draw_text,
    line_height,
    shortened,
    text_width,
)

LONG = "Arctic fox, white fox, Alopex lagopus, and whatever else there is to say of it"


def written(text, shape=(40, 300), place=(10, 8), size=16):
    canvas = np.full((*shape, 3), PAPER, np.uint8)
    draw_text(canvas, text, place, size)
    return canvas


def inked(canvas):
    return (canvas != PAPER).any(axis=-1)


@pytest.mark.parametrize("text", ["a cat", LONG, "Žluťoučký kůň", "кошка", "γάτα"])
def test_text_is_cut_with_an_ellipsis_where_it_would_not_fit(text):
    for width in (30, 80, 200, 2000):
        short = shortened(text, 16, width)
        assert text_width(short, 16) <= width
        assert short == text or short.endswith("…")
        assert text.startswith(short.rstrip("…"))
    assert shortened(text, 16, 2000) == text


@pytest.mark.parametrize("text", [LONG, "gjpqyÅÉ"])
def test_nothing_is_written_beyond_the_line_or_the_picture(text):
    ink = inked(written(text))
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert 8 <= rows[0] < rows[-1] < 8 + line_height(16)
    assert 10 - 1 <= columns[0] < columns[-1] < 299  # the last column stays free
    # All of a letter is there: the same text with room around it has as much ink.
    short = shortened(text, 16, 290)
    assert ink.sum() == inked(written(short, (80, 400))).sum()


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (3, 500)])
@pytest.mark.parametrize("place", [(0, 0), (7, 7), (600, 600), (-5, -5)])
def test_no_picture_is_too_small(shape, place):
    assert written(LONG, shape, place).shape == (*shape, 3)


@pytest.mark.parametrize("letter", "Žкγñ")
def test_letters_of_other_scripts_are_drawn(letter):
    found = written(letter)
    assert inked(found).any()
    for wrong in ("?", "\ufffd", "□"):
        assert (found != written(wrong)).any()


def test_text_stays_on_one_line():
    np.testing.assert_array_equal(
        written("two\nlines\tand\x00"), written("two lines and")
    )


def test_letters_have_their_colour():
    assert (written("M", size=40)[..., 0] == INK[0]).any()


def test_what_no_font_has_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    lettering._font_that_has.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            written("𒀀 cat")
    lettering._font_that_has.cache_clear()
    (record,) = caplog.records
    assert "𒀀" in record.getMessage()
    assert "install a font" in record.getMessage()
