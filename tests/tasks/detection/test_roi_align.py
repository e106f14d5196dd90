"""RoIAlign against the record of torchvision's kernel in MMDetection."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.tasks.detection.portable_roi_align import portable_roi_align
from hrnet_tf.tasks.detection.roi_align import STRIDES, roi_align, roi_levels
from hrnet_tf.tasks.detection.roi_align_gradient import numbered
from support.official import channels_last, read_arrays

RECORD = read_arrays("detection", "roi_align")
MAPS = [channels_last(RECORD[f"feature_{level}"]) for level in range(4)]
IMAGE = RECORD["rois"][:, 0].astype(int)


def by_image(values):
    """What holds for the regions of both images, as two rows; zeros where none is."""
    most = np.bincount(IMAGE).max()
    spread = np.zeros((2, most, *values.shape[1:]), np.float32)
    for image in range(2):
        rows = values[image == IMAGE]
        spread[image, : len(rows)] = rows
    return spread


BOXES = by_image(RECORD["rois"][:, 1:])


def pooled(name):
    return by_image(RECORD[name].transpose(0, 2, 3, 1))


def test_levels_are_those_of_the_record():
    np.testing.assert_array_equal(roi_levels(RECORD["rois"][:, 1:]), RECORD["levels"])


BOTH = pytest.mark.parametrize("align", [roi_align, portable_roi_align])


@BOTH
@pytest.mark.parametrize("side", [7, 14])
def test_features_are_those_of_the_record(align, side):
    found = align(MAPS, BOXES, side)
    np.testing.assert_allclose(found, pooled(f"pooled_{side}"), rtol=1e-5, atol=1e-5)


@BOTH
@pytest.mark.parametrize("side", [7, 14])
def test_no_region_has_no_features(align, side):
    found = align(MAPS, np.zeros((2, 0, 4), np.float32), side)
    assert found.shape == (2, *RECORD[f"empty_{side}"].shape[:1], side, side, 2)


@BOTH
def test_gradients_are_those_of_the_record(align):
    maps = [tf.constant(values) for values in MAPS]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        total = tf.reduce_sum(align(maps, BOXES, 7) * pooled("pooled_7_gradient"))
    for level, gradient in enumerate(tape.gradient(total, maps)):
        expected = channels_last(RECORD[f"feature_{level}_gradient"])
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def test_each_is_counted_from_zero():
    owner, number = numbered(tf.constant([2, 0, 1, 3]))
    np.testing.assert_array_equal(owner, [0, 0, 2, 3, 3, 3])
    np.testing.assert_array_equal(number, [0, 1, 0, 0, 1, 2])
    assert [values.shape for values in numbered(tf.zeros(0, tf.int32))] == [0, 0]


def gradients_of(align, maps, boxes, upstream):
    with tf.GradientTape() as tape:
        tape.watch(maps)
        found = align(maps, boxes, 7)
    return tape.gradient(found, maps, output_gradients=upstream)


@pytest.fixture(params=[[], ["GPU:0"]], ids=["on a CPU", "as on a GPU"])
def devices(request, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: request.param)


def test_gradients_add_up_where_many_regions_lie_on_one_another(rng, devices):
    """TensorFlow's threads lose some of them, of a few cells in most of the turns."""
    maps = [tf.zeros((1, 64 // n, 64 // n, 32)) for n in (1, 2, 4, 8)]
    begin = rng.uniform(0, 30, (1, 500, 2))
    boxes = np.concatenate([begin, begin + rng.uniform(1, 40, begin.shape)], axis=-1)
    boxes = tf.constant(boxes, tf.float32)
    upstream = tf.ones((1, 500, 7, 7, 32))
    expected = gradients_of(portable_roi_align, maps, boxes, upstream)
    for _ in range(5):
        found = gradients_of(roi_align, maps, boxes, upstream)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    assert float(tf.reduce_sum(found[0])) > 1e5


def test_gradients_of_regions_at_and_beyond_borders(devices):
    maps = [tf.zeros((1, 16 // n, 16 // n, 2)) for n in (1, 2, 4, 8)]
    boxes = [[-60, -60, 20, 20], [50, 0, 90, 64], [9, 9, 9, 30], [0, 0, 64, 64]]
    boxes = tf.constant([boxes], tf.float32)
    upstream = tf.random.stateless_normal((1, 4, 7, 7, 2), (0, 0))
    expected = gradients_of(portable_roi_align, maps, boxes, upstream)
    found = gradients_of(roi_align, maps, boxes, upstream)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    none = gradients_of(roi_align, maps, boxes[:, :0], upstream[:, :0])
    assert not any(np.any(gradient) for gradient in none)


@BOTH
def test_a_graph_of_any_size_says_the_same(align):
    levels = [tf.TensorSpec((None, None, None, 2)) for _ in STRIDES]

    @tf.function(input_signature=[levels, tf.TensorSpec((None, None, 4))])
    def graph(maps, boxes):
        return align(maps, boxes, 7)

    np.testing.assert_allclose(
        graph(MAPS, BOXES), pooled("pooled_7"), rtol=1e-5, atol=1e-5
    )
    empty = graph(MAPS, np.zeros((2, 0, 4), np.float32))
    assert empty.shape == (2, 0, 7, 7, 2)


@BOTH
def test_a_thousand_small_and_long_regions(align, rng):
    """Beside the rule written out, where a value of a map is its column."""
    map_of = np.tile(np.arange(64, dtype=np.float32)[:, None], (1, 64, 1, 1))
    maps = [tf.constant(map_of[:, : 64 // n, : 64 // n] * n) for n in (1, 2, 4, 8)]
    begin = rng.uniform(0, 100, (1, 1000, 2))
    sides = np.where(rng.random((1, 1000, 2)) < 0.5, 1, rng.uniform(1, 150, 2))
    boxes = np.concatenate([begin, begin + sides], axis=-1).astype(np.float32)
    found = align(maps, boxes, 7)[..., 0]
    middles = (np.arange(7) + 0.5) / 7 * sides[0, :, :1] + begin[0, :, :1]
    level = 2.0 ** roi_levels(boxes[0]).numpy()[:, None]
    expected = (middles / 4 / level - 0.5) * level
    near = np.all((expected > 0) & (expected < 63 - 2 * level), axis=-1)
    assert near.sum() > 500
    expected = np.broadcast_to(expected[near][:, None], (near.sum(), 7, 7))
    np.testing.assert_allclose(found[0][near], expected, atol=1e-3)


def test_the_portable_one_compiles_with_its_gradient():
    maps = [tf.constant(values) for values in MAPS]
    upstream = pooled("pooled_7_gradient")

    @tf.function(jit_compile=True, autograph=False)
    def step(maps, boxes):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            found = portable_roi_align(maps, boxes, 7)
            total = tf.reduce_sum(found * upstream)
        return found, tape.gradient(total, maps)

    found, gradients = step(maps, BOXES)
    np.testing.assert_allclose(found, pooled("pooled_7"), rtol=1e-5, atol=1e-5)
    for level, gradient in enumerate(gradients):
        expected = channels_last(RECORD[f"feature_{level}_gradient"])
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)
