import cv2
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import HeatmapCodec
from hrnet_tf.images.preprocess import crop_matrix, invert, transform
from hrnet_tf.tasks.keypoints.encodings import REFINEMENTS
from hrnet_tf.tasks.keypoints.peaks import gaussian_kernel
from support.official import channels_last, read_arrays

SIZE = (64, 48)


def gaussians(centers, size=SIZE, sigma=2.0):
    """Heatmaps with their peaks between cells, `(1, height, width, keypoints)`."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = np.asarray(centers, np.float64).T
    squared = (columns[..., None] - x) ** 2 + (rows[..., None] - y) ** 2
    return np.exp(-squared / (2 * sigma**2)).astype(np.float32)[None]


def single(x, y, weight=1.0):
    return tf.constant([[[x, y, weight]]], tf.float32)


@pytest.fixture
def inner_cells(rng):
    return rng.uniform(8, 38, (40, 2))


def test_targets_are_those_of_the_original():
    arrays = read_arrays("protocol", "pose_heatmap_targets")
    visible = arrays["visible"][..., None]
    keypoints = np.concatenate([arrays["joints_xy"], visible], axis=-1)
    codec = HeatmapCodec(stride=4, sigma=float(arrays["sigma"]))
    heatmaps, weights = codec.encode(tf.constant(keypoints, tf.float32), SIZE)
    expected = channels_last(arrays["heatmaps"])
    np.testing.assert_allclose(heatmaps, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(weights, arrays["weights"][..., 0])


def test_decoding_is_that_of_the_original():
    arrays = read_arrays("protocol", "pose_decode_quarter_offset")
    cells, scores = HeatmapCodec().decode(channels_last(arrays["heatmaps"]))
    matrices = crop_matrix(arrays["center"], arrays["scale"][:, 0] * 200, 0.0, SIZE)
    points = transform(cells.numpy(), invert(matrices))
    # The originals were stored in float32, coordinates of hundreds of pixels.
    np.testing.assert_allclose(points, arrays["keypoints_xy"], rtol=1e-6)
    np.testing.assert_array_equal(scores, arrays["scores"][..., 0])


def test_a_peak_is_one_and_its_gaussian_ends_at_three_sigma():
    heatmaps, _ = HeatmapCodec(stride=4, sigma=1.0).encode(single(40.0, 24.0), (16, 16))
    row = heatmaps.numpy()[0, 6, :, 0]
    expected = np.exp(-0.5 * np.array([9.0, 4, 1, 0, 1, 4, 9]))
    np.testing.assert_allclose(row[7:14], expected, rtol=1e-6)
    assert not row[:7].any()
    assert not row[14:].any()


def test_targets_are_drawn_at_the_nearest_cell():
    heatmaps, _ = HeatmapCodec().encode(single(41.9, 25.9), (16, 16))
    assert np.unravel_index(heatmaps.numpy().argmax(), (16, 16)) == (6, 10)


def test_keypoints_without_annotation_are_not_drawn():
    heatmaps, weights = HeatmapCodec().encode(single(40.0, 24.0, 0.0), (16, 16))
    assert not heatmaps.numpy().any()
    np.testing.assert_array_equal(weights, [[0]])


def test_a_weight_is_passed_on_and_leaves_the_drawing_alone():
    heatmaps, weights = HeatmapCodec().encode(single(40.0, 24.0, 1.5), (16, 16))
    assert heatmaps.numpy().max() == 1
    np.testing.assert_array_equal(weights, [[1.5]])


@pytest.mark.parametrize(
    ("x", "y"), [(-40.0, 30.0), (30.0, -40.0), (90.0, 30.0), (30.0, 90.0)]
)
def test_a_gaussian_outside_weighs_nothing(x, y):
    heatmaps, weights = HeatmapCodec(stride=4, sigma=2.0).encode(single(x, y), (16, 16))
    assert not heatmaps.numpy().any()
    np.testing.assert_array_equal(weights, [[0]])


def test_a_gaussian_that_reaches_in_is_drawn_in_part():
    # Cell -3: four of its columns, 0 to 3, lie within six cells.
    heatmaps, weights = HeatmapCodec(sigma=2.0).encode(single(-14.0, 24.0), (16, 16))
    row = heatmaps.numpy()[0, 6, :, 0]
    np.testing.assert_allclose(row[:4], np.exp(-(np.arange(3, 7) ** 2) / 8), rtol=1e-5)
    assert not row[4:].any()
    np.testing.assert_array_equal(weights, [[1]])


def test_points_just_left_of_the_map_go_to_column_0():
    heatmaps, _ = HeatmapCodec(stride=4).encode(single(-5.9, 24.0), (16, 16))
    assert heatmaps.numpy()[0, 6, 0, 0] == 1  # int(-5.9 / 4 + 0.5) is 0, not -1


@pytest.mark.parametrize("refinement", REFINEMENTS)
@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_decoding_undoes_encoding_to_half_a_cell(refinement, sigma, inner_cells):
    codec = HeatmapCodec(4, sigma, refinement)
    points = np.concatenate([4 * inner_cells, np.ones((40, 1))], axis=-1)[None]
    heatmaps, _ = codec.encode(tf.constant(points, tf.float32), SIZE)
    cells, scores = codec.decode(heatmaps)
    assert np.abs(cells - inner_cells).max() <= 0.5 + 1e-3
    np.testing.assert_allclose(scores, 1)


@pytest.mark.parametrize("sigma", [2.0, 3.0])
def test_dark_finds_peaks_between_cells(sigma, inner_cells):
    cells, _ = HeatmapCodec(4, sigma, "dark").decode(
        gaussians(inner_cells, sigma=sigma)
    )
    assert np.abs(cells - inner_cells).max() < 0.05


def test_dark_finds_the_peak_of_a_slanted_map():
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    x, y = columns - 20.3, rows - 30.2
    heatmap = np.exp(-(x**2 + y**2 - 1.4 * x * y) / 8).astype(np.float32)
    cells, _ = HeatmapCodec(4, 2.0, "dark").decode(heatmap[None, :, :, None])
    np.testing.assert_allclose(cells, [[[20.3, 30.2]]], atol=0.05)


def test_a_quarter_cell_is_added_towards_the_higher_neighbour():
    cells, _ = HeatmapCodec().decode(gaussians([[10.3, 20.7], [10.0, 20.0]]))
    np.testing.assert_array_equal(cells, [[[10.25, 20.75], [10, 20]]])


@pytest.mark.parametrize("refinement", ["quarter", "dark"])
@pytest.mark.parametrize(
    ("x", "y"), [(0, 9), (1, 9), (15, 9), (9, 0), (9, 1), (9, 15), (0, 0), (15, 15)]
)
def test_peaks_at_the_edge_are_not_refined(refinement, x, y):
    peak = gaussians([[x + 0.2, y - 0.2]], (16, 16))
    cells, _ = HeatmapCodec(refinement=refinement).decode(peak)
    np.testing.assert_array_equal(cells, [[[x, y]]])


@pytest.mark.parametrize(("refinement", "column"), [("quarter", 14), ("dark", 13)])
def test_the_last_column_that_is_refined(refinement, column):
    codec = HeatmapCodec(refinement=refinement)
    cells, _ = codec.decode(gaussians([[column + 0.3, 8.0]], (16, 16)))
    assert cells.numpy()[0, 0, 0] != column


@pytest.mark.parametrize("refinement", REFINEMENTS)
@pytest.mark.parametrize("value", [0.0, -0.5])
def test_maps_without_a_peak_give_cell_zero_and_their_value(refinement, value):
    heatmaps = np.full((1, 16, 12, 2), -1, np.float32)
    heatmaps[0, 7, 5] = value
    cells, scores = HeatmapCodec(refinement=refinement).decode(tf.constant(heatmaps))
    np.testing.assert_array_equal(cells, np.zeros((1, 2, 2)))
    np.testing.assert_array_equal(scores, np.full((1, 2), value))


def test_dark_stays_finite_on_a_flat_map():
    cells, _ = HeatmapCodec(refinement="dark").decode(tf.ones((1, 16, 12, 1)))
    np.testing.assert_array_equal(cells, np.zeros((1, 1, 2)))


def test_keypoints_and_people_are_decoded_by_themselves(rng):
    heatmaps = tf.constant(rng.random((3, 16, 12, 5)), tf.float32)
    codec = HeatmapCodec(refinement="dark")
    together, _ = codec.decode(heatmaps)
    apart, _ = codec.decode(heatmaps[1:2, :, :, 3:4])
    np.testing.assert_allclose(together[1:2, 3:4], apart, rtol=1e-5)


@pytest.mark.parametrize("refinement", REFINEMENTS)
def test_compiled_decoding_is_the_same_for_any_batch(refinement, inner_cells):
    codec = HeatmapCodec(refinement=refinement)
    signature = [tf.TensorSpec((None, *SIZE, 40))]
    compiled = tf.function(codec.decode, input_signature=signature, jit_compile=True)
    heatmaps = np.repeat(gaussians(inner_cells), 2, axis=0)
    for ours, expected in zip(compiled(heatmaps), codec.decode(heatmaps), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3)


def test_encoding_in_a_data_set_is_the_same(inner_cells):
    codec = HeatmapCodec()
    points = np.concatenate([4 * inner_cells, np.ones((40, 1))], axis=-1)[None]
    points = tf.constant(points, tf.float32)
    data = tf.data.Dataset.from_tensors(points).map(lambda p: codec.encode(p, SIZE))
    heatmaps, weights = next(iter(data))
    expected = codec.encode(points, SIZE)
    np.testing.assert_allclose(heatmaps, expected[0], atol=1e-6)
    np.testing.assert_array_equal(weights, expected[1])


@pytest.mark.parametrize("length", [11, 17])  # for sigma 2 and 3
def test_the_smoothing_kernel_is_opencvs(length):
    expected = cv2.getGaussianKernel(length, 0, cv2.CV_64F)[:, 0]
    np.testing.assert_allclose(gaussian_kernel(length), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"refinement": "half"}, "`refinement` must be one of .*'dark'.*, got 'half'"),
        ({"stride": 0}, "`stride` and `sigma` must be positive"),
        ({"sigma": 0.0}, "`stride` and `sigma` must be positive"),
    ],
)
def test_wrong_settings_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        HeatmapCodec(**arguments)
