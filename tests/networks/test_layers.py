import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.networks.layers import (
    UPSAMPLING,
    Upsample,
    repeat_nearest,
    resize_bilinear,
)
from support.official import channels_last, read_arrays

RESIZED = sorted(read_arrays("protocol", "bilinear_resize").keys() - {"input"})


@pytest.mark.parametrize("name", RESIZED)
def test_bilinear_resizing_is_the_original(name):
    arrays = read_arrays("protocol", "bilinear_resize")
    height, width = map(int, name.split("_")[1].split("x"))
    ours = resize_bilinear(
        channels_last(arrays["input"]), (height, width), "align_corners" in name
    )
    np.testing.assert_allclose(ours, channels_last(arrays[name]), atol=1e-5)


def test_nearest_repeats_pixels(rng):
    x = rng.standard_normal((2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_array_equal(repeat_nearest(x, 4), x.repeat(4, 1).repeat(4, 2))


@pytest.mark.parametrize("rule", UPSAMPLING)
def test_upsampling_meets_the_larger_map(rule):
    low, high = tf.ones((1, 3, 2, 4)), tf.ones((1, 12, 8, 7))
    assert Upsample(4, rule)([low, high]).shape == (1, 12, 8, 4)


@pytest.mark.parametrize("rule", ["bilinear", "bilinear_align_corners"])
def test_bilinear_upsampling_meets_odd_sizes(rule):
    low, high = tf.ones((1, 5, 4, 3)), tf.ones((1, 17, 13, 3))
    assert Upsample(4, rule)([low, high]).shape == (1, 17, 13, 3)


def test_nearest_upsampling_refuses_odd_sizes():
    low, high = tf.ones((1, 5, 4, 3)), tf.ones((1, 9, 8, 3))
    with pytest.raises(ValueError, match="multiples of the network's largest stride"):
        Upsample(2)([low, high])


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match=r"must be one of .*nearest.*cubic"):
        Upsample(2, "cubic")


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("rule", UPSAMPLING)
def test_gradient_compiles_under_xla(rule, dtype, rng):
    layer = Upsample(2, rule, dtype=dtype)
    low = tf.constant(rng.standard_normal((2, 4, 3, 2)), tf.float32)
    like = tf.zeros((2, 8, 6, 1))

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(low)
            total = tf.reduce_sum(tf.cast(layer([low, like]), tf.float32) ** 2)
        return tape.gradient(total, low)

    compiled = tf.function(gradient, jit_compile=True)()
    np.testing.assert_allclose(compiled, gradient(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("height", "width"), [(8, 6), (None, None)])
def test_symbolic_shapes_are_those_of_the_larger_map(height, width):
    low = keras.Input((height and height // 2, width and width // 2, 5))
    high = keras.Input((height, width, 3))
    assert Upsample(2, "bilinear")([low, high]).shape == (None, height, width, 5)
