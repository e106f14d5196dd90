import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from hrnet_tf import InputError, read_image
from hrnet_tf.common.reading import PIXEL_LIMIT, Reading
from hrnet_tf.images.files import (
    check_size,
    decode,
    stored_windows,
    turned,
)
from hrnet_tf.images.header import read_header
from support.stored import ORIENTATION, TURNS, encoded, smooth_image, stored_of

STORED = Reading("stored")
TAGGED = [".jpg", ".png", ".webp", ".tif"]


PICTURE = smooth_image(48, 64)


@pytest.fixture
def picture():
    return PICTURE


@pytest.fixture
def save(tmp_path, picture):
    """Write the picture in another mode or format: `save(name, mode)`."""

    def write(name, mode="RGB", **options):
        Image.fromarray(picture).convert(mode).save(tmp_path / name, **options)
        return tmp_path / name

    return write


# What a header says


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".gif", ".webp", ".tif"])
def test_a_header_has_the_size_before_anything_is_decoded(suffix, monkeypatch):
    content = encoded(PICTURE, suffix)
    monkeypatch.setattr(cv2, "imdecode", None)
    header = read_header(content)
    assert (header.height, header.width, header.turn) == (48, 64, 1)


@pytest.mark.parametrize("options", [{"lossless": False}, {"exact": True}])
def test_both_kinds_of_webp_have_their_size(options):
    header = read_header(encoded(PICTURE, ".webp", **options))
    assert (header.height, header.width) == (48, 64)
    header = read_header(encoded(PICTURE, ".webp", turn=6, **options))
    assert (header.height, header.width, header.turn) == (48, 64, 6)


def test_the_size_of_a_bmp_may_be_negative_or_short():
    content = bytearray(cv2.imencode(".bmp", PICTURE)[1].tobytes())
    content[22:26] = struct.pack("<i", -48)
    assert read_header(bytes(content)).height == 48
    old = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 64, 48, 1, 24)
    assert (read_header(old).height, read_header(old).width) == (48, 64)


def test_a_picture_that_is_larger_than_the_screen_of_its_gif():
    content = bytearray(encoded(PICTURE, ".gif"))
    content[6:10] = struct.pack("<HH", 3, 2)
    header = read_header(bytes(content))
    assert (header.height, header.width) == (48, 64)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("turn", TURNS)
def test_the_tag_is_read_in_every_format(turn, suffix):
    assert read_header(encoded(PICTURE, suffix, turn)).turn == turn


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_the_tag_is_read_in_either_order_of_bytes(order, kind):
    mark = b"II" if order == "<" else b"MM"
    value = struct.pack(f"{order}HHII", ORIENTATION, 4, 1, 8)
    if kind == 3:
        value = struct.pack(f"{order}HHIHH", ORIENTATION, 3, 1, 8, 0)
    block = mark + struct.pack(f"{order}HIH", 42, 8, 1) + value + bytes(4)
    content = encoded(PICTURE, ".jpg", exif=b"Exif\0\0" + block)
    assert read_header(content).turn == 8


@pytest.mark.parametrize(
    "block",
    [b"", b"II", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"text" * 9],
)
def test_a_broken_tag_is_none(block):
    header = read_header(encoded(PICTURE, ".jpg", exif=b"Exif\0\0" + block))
    assert (header.height, header.width, header.turn) == (48, 64, 1)


@pytest.mark.parametrize("turn", [0, 9, 255])
def test_a_tag_that_means_nothing_is_none(turn):
    assert read_header(encoded(PICTURE, ".jpg", turn)).turn == 1


@pytest.mark.parametrize("suffix", [".ppm", ".pgm", ".jp2"])
def test_less_usual_formats_are_read_within_the_limit(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    pixels = PICTURE[..., :1] if suffix == ".pgm" else PICTURE
    Image.fromarray(np.squeeze(pixels)).save(path)
    image = read_image(path)
    assert np.abs(image.astype(int) - pixels).max() < 3
    with pytest.raises(InputError, match=r"64x48 pixels .*\(pixel_limit\)"):
        read_image(path, pixel_limit=100)


def test_a_tiff_of_many_values_is_no_picture(tmp_path):
    content = bytearray(encoded(PICTURE, ".tif"))
    at = content.index(struct.pack("<HH", 277, 3)) + 8
    content[at : at + 2] = struct.pack("<H", 60000)
    with pytest.raises(InputError, match="this one has 60000 of 8 bits a pixel"):
        decode(bytes(content))


# Orientation


@pytest.mark.parametrize("suffix", TAGGED)
@pytest.mark.parametrize("turn", TURNS)
def test_an_image_is_what_viewers_show(turn, suffix):
    content = encoded(stored_of(PICTURE, turn), suffix, turn)
    viewed = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    assert viewed.size == (64, 48)
    limit = 3 if suffix == ".jpg" else 0  # of another decoder
    difference = np.abs(decode(content).astype(int) - np.asarray(viewed))
    assert difference.max() <= limit
    lossless = np.abs(decode(content).astype(int) - PICTURE).max()
    assert lossless <= (10 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", TAGGED)
@pytest.mark.parametrize("turn", TURNS)
def test_an_image_may_be_taken_as_it_is_stored(turn, suffix, tmp_path):
    pixels = stored_of(PICTURE, turn)
    content = encoded(pixels, suffix, turn)
    expected = decode(encoded(pixels, suffix))
    np.testing.assert_array_equal(decode(content, STORED), expected)
    (tmp_path / "image").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "image", "stored"), expected)


def test_orientations_are_two(tmp_path, save):
    with pytest.raises(InputError, match="one of upright, stored, got 'sideways'"):
        read_image(save("a.png"), "sideways")


@pytest.mark.parametrize("turn", TURNS)
def test_a_window_lies_where_it_is_stored(turn, rng):
    shown = rng.integers(0, 256, (7, 11, 3)).astype(np.uint8)
    stored = stored_of(shown, turn)
    window, sizes = np.array([[1, 2, 3, 5]]), np.array([[7, 11]])
    (found,) = stored_windows(window, sizes, np.array([turn]))
    top, left, height, width = found
    part = stored[top : top + height, left : left + width]
    np.testing.assert_array_equal(turned(part, turn), shown[1:4, 2:7])


def test_the_size_must_be_that_of_the_annotation():
    header = read_header(encoded(PICTURE, ".jpg", 6))
    check_size(header, Reading(), (64, 48), "says")
    check_size(header, STORED, (48, 64), "says")
    with pytest.raises(
        InputError,
        match=r"has 48x64 pixels \(width x height\), says 64x48, as it is stored: .*"
        r"data\.orientation=stored",
    ):
        check_size(header, Reading(), (48, 64), "says")
    with pytest.raises(InputError, match=r"says 48x64, as viewers show it.*=upright"):
        check_size(header, STORED, (64, 48), "says")
    with pytest.raises(InputError, match=r"has 48x64 .*, says 10x20$"):
        check_size(header, Reading(), (20, 10), "says")
    plain = read_header(encoded(PICTURE, ".jpg"))
    with pytest.raises(InputError, match=r"has 64x48 .*, says 48x64$"):
        check_size(plain, Reading(), (64, 48), "says")


# Limits


def huge(suffix, height=30000, width=30000):
    """A small file that says that it is large."""
    content = bytearray(encoded(PICTURE, suffix))
    if suffix == ".jpg":
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", height, width)
    elif suffix == ".png":
        content[16:24] = struct.pack(">II", width, height)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif suffix == ".bmp":
        content[18:26] = struct.pack("<ii", width, height)
    elif suffix == ".gif":
        content[6:10] = struct.pack("<HH", width, height)
    elif suffix == ".webp":
        at = content.index(b"VP8L") + 9
        content[at : at + 4] = struct.pack("<I", 16383 | 16383 << 14)
    else:
        for tag, value in ((256, width), (257, height)):
            at = content.index(struct.pack("<HH", tag, 4)) + 8
            content[at : at + 4] = struct.pack("<I", value)
    return bytes(content)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".gif", ".webp", ".tif"])
def test_a_huge_image_is_refused_before_it_is_decoded(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"huge{suffix}"
    path.write_bytes(huge(suffix))
    monkeypatch.setattr(cv2, "imdecode", None)
    size = "16384x16384" if suffix == ".webp" else "30000x30000"
    expected = rf"{path} cannot be decoded: the image has {size} pixels .*, \d+ in all"
    with pytest.raises(InputError, match=f"{expected}; up to {PIXEL_LIMIT} are read"):
        read_image(path)


def test_the_limit_can_be_moved(save):
    path = save("a.png")
    assert read_image(path, pixel_limit=48 * 64).shape == (48, 64, 3)
    with pytest.raises(InputError, match=r"64x48 pixels .*; up to 3071 are read"):
        read_image(path, pixel_limit=48 * 64 - 1)


def test_what_opencv_itself_refuses_is_one_sentence(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(huge(".png", 2**17, 2**17))
    with pytest.raises(InputError, match="cannot be decoded"):
        read_image(path, pixel_limit=2**40)


# What is decoded


def test_an_image_is_read_as_it_was_written(save, picture):
    np.testing.assert_array_equal(read_image(save("image.png")), picture)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_a_jpeg_is_what_other_programs_make_of_it(options, save, picture):
    path = save("image.jpg", quality=95, **options)
    image = read_image(path)
    assert np.abs(image.astype(int) - picture).max() < 10
    with Image.open(path) as other:
        np.testing.assert_array_equal(image, np.asarray(other))
    np.testing.assert_array_equal(image, cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("name", ["grey.png", "grey.jpg", "grey.tif", "grey.bmp"])
def test_grey_images_have_three_equal_channels(name, save):
    image = read_image(save(name, "L"))
    np.testing.assert_array_equal(image, image[..., :1].repeat(3, axis=2))
    assert len(np.unique(image)) > 100


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_become_eight(name, tmp_path, picture):
    deep = picture[..., 0].astype(np.uint16) * 256 + 200  # not rounded
    Image.fromarray(deep).save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image, picture[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_opacity_is_dropped(name, tmp_path, picture):
    opacity = np.full((*picture.shape[:2], 1), 7, np.uint8)
    image = Image.fromarray(np.concatenate([picture, opacity], axis=2))
    image.save(tmp_path / name, lossless=True, exact=True)
    np.testing.assert_array_equal(read_image(tmp_path / name), picture)


def test_grey_with_opacity(tmp_path, picture):
    pixels = np.stack([picture[..., 0], 255 - picture[..., 0]], axis=-1)
    Image.fromarray(pixels, "LA").save(tmp_path / "a.png")
    expected = picture[..., :1].repeat(3, axis=2)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_four_inks_become_rgb(save, picture):
    image = read_image(save("a.jpg", "CMYK", quality=95))
    assert np.abs(image.astype(int) - picture).max() < 10


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_the_first_of_several_pictures_counts(suffix, tmp_path):
    path = tmp_path / f"two{suffix}"
    first, second = (Image.new("RGB", (6, 4), color) for color in ("red", "blue"))
    options = {"lossless": True} if suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=[second], **options)
    expected = np.full((4, 6, 3), (255, 0, 0))
    np.testing.assert_array_equal(read_image(path), expected)


def test_a_tiff_of_fractions_is_no_picture(tmp_path):
    Image.fromarray(np.zeros((4, 6), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="one to four values of 8 or 16 whole bits"):
        read_image(tmp_path / "a.tif")


# What is broken


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Image .*nowhere.jpg does not exist"):
        read_image(tmp_path / "nowhere.jpg")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(InputError, match=f"Image {tmp_path} does not exist"):
        read_image(tmp_path)


BROKEN = {
    "empty.jpg": b"",
    "text.jpg": b"no image",
    "text.png": b"no image",
    "text.bmp": b"BM is a brand of cars that one sees in streets now and then",
    "start.jpg": b"\xff\xd8\xff",
    "junk.jpg": b"\xff\xd8\xff" + b"junk" * 20,
    "start.png": b"\x89PNG\r\n\x1a\n",
    "start.gif": b"GIF89a",
    "start.webp": b"RIFF\0\0\0\0WEBP",
    "sound.webp": b"RIFF\0\0\0\0WAVEfmt " + bytes(20),
    "start.tif": b"II*\0",
    "loop.tif": b"II*\0\x08\0\0\0\xff\xff" + bytes(30),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_holds_no_image_is_named(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(InputError, match=f"Image {path} cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".gif", ".webp", ".tif"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_truncated_image_is_refused(suffix, share, tmp_path):
    path, content = tmp_path / "image", encoded(PICTURE, suffix)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=f"Image {path} cannot be decoded"):
        read_image(path)
