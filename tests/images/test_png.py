"""Damage that a PNG file's own checksums and order tell."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hrnet_tf import InputError, read_image
from hrnet_tf.images.png import check_chunks
from hrnet_tf.tasks.segmentation.masks import read_mask
from support.official import FIXTURES

CASES = FIXTURES / "cases"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def header(bits=8, color=3, width=3, height=2):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))


PIXELS = zlib.compress(b"\0\0\1\2\0\1\1\0")
PALETTE = chunk(b"PLTE", bytes(range(9)))
DATA = chunk(b"IDAT", PIXELS)
END = chunk(b"IEND", b"")
GOOD = [header(), PALETTE, chunk(b"tRNS", b"\0\1"), DATA, END]
VALUES = [[0, 1, 2], [1, 1, 0]]


def file_of(parts):
    return SIGNATURE + b"".join(parts)


@pytest.fixture
def write(tmp_path):
    def make(content):
        path = tmp_path / "mask.png"
        path.write_bytes(content)
        return path

    return make


def test_a_good_mask_is_read(write):
    np.testing.assert_array_equal(read_mask(write(file_of(GOOD))), VALUES)
    assert read_mask(CASES / "palette_good.png").max() == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [("palette_depth_changed.png", "IHDR"), ("palette_data_changed.png", "IDAT")],
)
def test_a_changed_byte_is_told_by_its_chunk(name, kind):
    with pytest.raises(
        InputError, match=f"^the mask .*{name} is damaged: its chunk {kind} at byte"
    ):
        read_mask(CASES / name)


def test_every_changed_byte_is_told(write):
    """Whatever byte it is, by a mask's reader and by that of images."""
    content = file_of(GOOD)
    for at in range(len(content)):
        for bit in (1, 128):
            wrong = bytearray(content)
            wrong[at] ^= bit
            path = write(bytes(wrong))
            for read in (read_mask, read_image):
                with pytest.raises(InputError):
                    read(path)


@pytest.mark.parametrize("length", [20, 33, 40, 60, 90, len(file_of(GOOD)) - 1])
def test_what_is_cut_off_is_told(length, write):
    with pytest.raises(InputError, match=r"is cut off( in its chunk \w+)? at byte"):
        read_mask(write(file_of(GOOD)[:length]))


WRONG = {
    "no header": (GOOD[1:], "does not begin with its IHDR"),
    "two headers": ([header(), *GOOD], "has IHDR twice"),
    "two palettes": ([*GOOD[:2], *GOOD[1:]], "has PLTE twice"),
    "a late palette": ([header(), DATA, PALETTE, END], "has PLTE behind its pixels"),
    "no palette": ([header(), DATA, END], "its chunk PLTE is missing"),
    "an empty palette": ([header(), chunk(b"PLTE", b""), DATA, END], "PLTE is no list"),
    "a cut palette": ([header(), chunk(b"PLTE", b"ab"), DATA, END], "PLTE is no list"),
    "no pixels": ([header(), PALETTE, END], "no chunk IDAT"),
    "something between pixels": (
        [header(), PALETTE, DATA, chunk(b"tEXt", b"a"), DATA, END],
        "has other chunks between its IDAT",
    ),
    "no end": (GOOD[:-1], "is cut off"),
    "bits that cannot be": ([header(bits=16), *GOOD[1:]], "IHDR says no bits"),
    "colours that cannot be": ([header(color=1), *GOOD[1:]], "IHDR says no bits"),
}


@pytest.mark.parametrize(("parts", "text"), WRONG.values(), ids=WRONG)
def test_chunks_out_of_place_are_told(parts, text, write):
    path = write(file_of(parts))
    with pytest.raises(InputError, match=f"^the mask {path} .*{text}"):
        read_mask(path)
    with pytest.raises(InputError, match=text):
        read_image(path)


def test_pixels_that_are_not_all_there_are_told(write):
    short = chunk(b"IDAT", zlib.compress(b"\0\0\1\2"))
    with pytest.raises(InputError, match="is broken"):
        read_mask(write(file_of([header(), PALETTE, short, END])))


def test_indices_beyond_the_palette_are_values(write):
    short = chunk(b"PLTE", bytes(3))
    path = write(file_of([header(), short, DATA, END]))
    np.testing.assert_array_equal(read_mask(path), VALUES)


def test_what_comes_behind_the_end_does_not_matter(write):
    path = write(file_of(GOOD) + b"thumbnail")
    np.testing.assert_array_equal(read_mask(path), VALUES)


@pytest.mark.parametrize("options", [{}, {"bits": 2}, {"optimize": True}])
def test_files_of_another_program_are_whole(options, tmp_path):
    image = Image.fromarray(np.array(VALUES, np.uint8))
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0])
    image.save(tmp_path / "a.png", dpi=(72, 72), **options)
    check_chunks((tmp_path / "a.png").read_bytes())
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), VALUES)


def test_interlaced_masks(tmp_path):
    """Adam7, seven passes of one pixel each in a mask of 2 x 2."""
    passes = b"\0\0" + b"\0\1" + b"\0\2\1"  # pixels (0, 0); (0, 1); (1, 0), (1, 1)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 1))
    content = file_of([head, PALETTE, chunk(b"IDAT", zlib.compress(passes)), END])
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[0, 1], [2, 1]])
