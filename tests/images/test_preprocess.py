import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hrnet_tf import preprocess_input
from hrnet_tf.images.files import decode, decode_windows
from hrnet_tf.images.preprocess import (
    MEAN,
    STD,
    crop_matrix,
    crop_of_box,
    invert,
    source_windows,
    transform,
    warp,
    widened,
)
from support.official import read_arrays


def smooth_image(height, width):
    """Slopes in all three channels, so that a misplaced pixel shows."""
    y, x = np.mgrid[:height, :width]
    image = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)]
    return np.stack(image, axis=-1).astype(np.uint8)


@pytest.fixture
def random_matrices(rng):
    count = 30
    centers = rng.uniform(-20, 120, (count, 2))
    widths, rotations = rng.uniform(10, 150, count), rng.uniform(-180, 180, count)
    return crop_matrix(centers, widths, rotations, (64, 48))


def test_normalising_takes_off_the_mean_and_divides_by_the_deviation():
    images = np.array([MEAN, np.add(MEAN, STD), np.subtract(MEAN, STD)], np.float32)
    expected = [[0, 0, 0], [1, 1, 1], [-1, -1, -1]]
    np.testing.assert_allclose(preprocess_input(images), expected, atol=1e-6)


def test_normalising_bytes_gives_float32():
    normalised = preprocess_input(
        np.array([[[0, 128, 255]]], np.uint8), (0, 128, 0), (1, 2, 5)
    )
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised, [[[0, 0, 51]]], atol=1e-6)


def test_crops_are_those_of_the_original():
    arrays = read_arrays("protocol", "pose_affine")
    widths = arrays["scale"][:, 0] * 200  # the original counts in 200 pixels
    size = tuple(arrays["output_size"][::-1])
    matrices = crop_matrix(arrays["center"], widths, arrays["rotation"], size)
    np.testing.assert_allclose(matrices, arrays["forward"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(invert(matrices), arrays["inverse"], rtol=0, atol=1e-9)


def test_a_high_box_grows_sideways():
    centers, widths = crop_of_box(np.array([[10, 20, 30, 80]]), 0.75, padding=1.25)
    np.testing.assert_allclose(centers, [[25, 60]])
    np.testing.assert_allclose(widths, [80 * 0.75 * 1.25])


def test_a_wide_box_keeps_its_width():
    _, widths = crop_of_box(np.array([[10, 20, 90, 80]]), aspect=0.75, padding=1.5)
    np.testing.assert_allclose(widths, [135])


def test_the_corners_of_an_upright_crop():
    # 24 pixels wide at 48 x 64: two crop pixels a pixel, 32 pixels high.
    matrix = crop_matrix(np.array([[100.0, 50.0]]), np.array([24.0]), 0.0, (64, 48))
    corners = np.array([[[88, 34], [112, 34], [88, 66], [100, 50]]], float)
    expected = [[[0, 0], [48, 0], [0, 64], [24, 32]]]
    np.testing.assert_allclose(transform(corners, matrix), expected, atol=1e-9)


def test_positive_rotations_turn_anticlockwise():
    matrix = crop_matrix(np.array([[10.0, 10.0]]), np.array([8.0]), 90.0, (8, 8))
    right = np.array([[[13.0, 10.0]]])
    np.testing.assert_allclose(transform(right, matrix), [[[4, 1]]], atol=1e-6)


def test_crops_keep_angles(random_matrices):
    linear = random_matrices[:, :, :2]
    gram = linear.transpose(0, 2, 1) @ linear
    scale = gram[:, :1, :1]
    np.testing.assert_allclose(
        gram, np.broadcast_to(scale * np.eye(2), gram.shape), atol=1e-5 * scale.max()
    )


def test_inverting_undoes_a_map(random_matrices, rng):
    points = rng.uniform(-100, 100, (len(random_matrices), 5, 2))
    there = transform(points, random_matrices)
    np.testing.assert_allclose(transform(there, invert(random_matrices)), points)


def test_warping_interpolates_and_is_black_outside():
    image = np.repeat(np.array([[[40], [80], [120]], [[80], [120], [160]]]), 3, axis=2)
    half_a_pixel_right = np.array([[1, 0, 0.5], [0, 1, 0]])
    crop = warp(image.astype(np.uint8), half_a_pixel_right, (3, 4))
    expected = [[20, 60, 100, 60], [40, 100, 140, 80], [0, 0, 0, 0]]
    np.testing.assert_array_equal(crop[..., 0], expected)
    np.testing.assert_array_equal(crop[..., 0], crop[..., 2])


def test_warping_to_half_the_size_takes_every_other_pixel():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    crop = warp(image, np.array([[0.5, 0, 0], [0, 0.5, 0]]), (2, 2))
    np.testing.assert_array_equal(crop, image[::2, ::2])


def test_a_margin_ends_with_the_image():
    low, high = np.array([[10, 1], [-9, 30]]), np.array([[12, 9], [-7, 33]])
    found = widened(low, high, np.array([[20, 10], [20, 10]]))
    # The second one lies outside: one pixel is left of it.
    np.testing.assert_array_equal(found, [[8, 0, 6, 10], [0, 9, 1, 1]])


def test_a_window_holds_the_crop_and_a_margin():
    # Crop pixels 0 to 8 lie on image pixels 20 to 28 and 30 to 38.
    matrix = np.array([[[1.0, 0, -20], [0, 1.0, -30]]])
    window = source_windows(matrix, np.array([[100, 100]]), (8, 8))
    np.testing.assert_array_equal(window, [[28, 18, 13, 13]])


def test_windows_stay_inside_the_image(random_matrices):
    height, width = 70, 90
    sizes = np.tile([height, width], (len(random_matrices), 1))
    top, left, rows, columns = source_windows(random_matrices, sizes, (64, 48)).T
    assert top.min() >= 0
    assert left.min() >= 0
    assert min(rows.min(), columns.min()) >= 1
    assert (top + rows).max() <= height
    assert (left + columns).max() <= width


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_crop_of_a_window_is_the_crop_of_the_image(options, random_matrices):
    stream, size = io.BytesIO(), (64, 48)
    image = Image.fromarray(smooth_image(70, 90))
    image.save(stream, "JPEG", quality=95, **options)
    whole = decode(stream.getvalue())
    sizes = np.tile([70, 90], (len(random_matrices), 1))
    windows = source_windows(random_matrices, sizes, size)
    contents, turns = [stream.getvalue()] * len(windows), np.ones(len(windows))
    parts = tf.function(decode_windows)(contents, windows, tf.cast(turns, tf.int32))
    for matrix, window, part in zip(random_matrices, windows, parts, strict=True):
        shift = np.array([[1, 0, window[1]], [0, 1, window[0]], [0, 0, 1]])
        crop = warp(part.numpy(), matrix @ shift, size)
        # OpenCV rounds positions to 1/32 pixel, the shifted ones differently.
        difference = np.abs(crop.astype(int) - warp(whole, matrix, size))
        assert difference[whole_pixels(matrix, size)].max(initial=0) <= 1


def whole_pixels(matrix, size):
    """Crop pixels that the image's edge does not cut."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    crop = np.stack([columns, rows], axis=-1).reshape(1, -1, 2).astype(float)
    x, y = transform(crop, invert(matrix[None]))[0].T
    near_edge = (np.abs(x + 0.5) < 1) | (np.abs(x - 89.5) < 1)
    near_edge |= (np.abs(y + 0.5) < 1) | (np.abs(y - 69.5) < 1)
    return ~near_edge.reshape(size)
