"""Images with bytes changed: a sentence, or the same picture for every reader."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hrnet_tf import InputError, read_image
from hrnet_tf.common.reading import Reading
from hrnet_tf.images.files import (
    decode,
    decode_windows,
)
from hrnet_tf.images.header import read_header
from hrnet_tf.tasks.segmentation.masks import read_mask
from support.stored import encoded, smooth_image


def damaged(content, rng, count):
    """Copies of a file with some bytes changed at random, or its end cut off."""
    for _ in range(count):
        wrong = bytearray(content)
        for at in rng.integers(0, len(wrong), rng.integers(1, 5)):
            wrong[at] = rng.integers(0, 256)
        end = rng.integers(1, len(wrong)) if rng.random() < 0.2 else len(wrong)
        yield bytes(wrong[:end])


DAMAGED = {
    "JPEG": (".jpg", {}),
    "turned JPEG": (".jpg", {"turn": 6}),
    "progressive JPEG": (".jpg", {"progressive": True, "subsampling": 2}),
    "PNG": (".png", {}),
    "turned PNG": (".png", {"turn": 8}),
    "BMP": (".bmp", {}),
    "GIF": (".gif", {}),
    "WebP": (".webp", {"lossless": False}),
    "lossless WebP": (".webp", {"turn": 3}),
    "TIFF": (".tif", {"turn": 7}),
    "packed TIFF": (".tif", {"compression": "tiff_lzw"}),
}


@pytest.mark.parametrize(("suffix", "options"), DAMAGED.values(), ids=DAMAGED)
def test_damage_ends_in_a_sentence_or_in_one_image_for_all(
    suffix, options, rng, tmp_path, recwarn
):
    """What one reader takes all take, with the same pixels."""
    window = tf.function(decode_windows)
    path, taken = tmp_path / "image", 0
    for content in damaged(encoded(smooth_image(40, 56), suffix, **options), rng, 150):
        path.write_bytes(content)
        try:
            header = read_header(content)
            image = decode(content)
        except InputError:
            with pytest.raises(InputError, match=r"cannot be decoded: [^\n]+$"):
                read_image(path)
            continue
        taken += 1
        assert image.shape == (*header.size_for(Reading()), 3)
        np.testing.assert_array_equal(read_image(path), image)
        if header.format == "JPEG":  # as training reads what it knows
            windows, turns = [[0, 0, header.height, header.width]], [header.turn]
            (part,) = window([content], tf.constant(windows), tf.constant(turns))
            np.testing.assert_array_equal(part, image)
    assert suffix == ".png" or taken > 5
    assert not recwarn.list


@pytest.mark.parametrize("palette", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_damaged_mask_is_never_taken_for_another(suffix, palette, rng, tmp_path):
    values = (smooth_image(40, 56)[..., 0] // 60).astype(np.uint8)
    image = Image.fromarray(values)
    if palette:
        image.putpalette(list(range(15)))
    path = tmp_path / f"mask{suffix}"
    image.save(path, compression=None)
    taken = 0
    for content in damaged(path.read_bytes(), rng, 150):
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            found = read_mask(path)
            taken += 1
            if suffix == ".png":  # has checksums
                np.testing.assert_array_equal(found, values)
    assert suffix == ".png" or taken > 10
