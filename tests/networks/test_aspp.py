import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.networks.backbone import body, hrnet
from hrnet_tf.networks.fold import fold
from hrnet_tf.networks.heads.aspp import aspp_head
from hrnet_tf.networks.heads.dense import concatenate
from hrnet_tf.networks.layers import Conventions
from support.networks import with_statistics
from support.served import TINY

CONVENTIONS = Conventions("bilinear", initializer="kaiming")


def head(size=(None, None), rates=(1, 2, 3)):
    """The head alone, on maps of two channels, with random weights."""
    maps = keras.Input((*size, 2))
    x = keras.layers.Activation("linear")(maps)  # in the type of the other layers
    logits = aspp_head(x, 3, CONVENTIONS, rates=rates, features=4)
    return with_statistics(keras.Model(maps, logits))


@pytest.fixture
def maps(rng):
    return rng.standard_normal((2, 7, 5, 2)).astype(np.float32)


def spread(kernel, rate):
    """An atrous kernel as an ordinary one, with zeros between its taps."""
    side = 2 * rate + 1
    full = np.zeros((side, side, *kernel.shape[2:]), np.float32)
    full[::rate, ::rate] = kernel
    return full


def by_definition(model, x, rates):
    """The head's logits from ordinary convolutions, one weight after the other."""

    def conv_bn(x, conv, bn, rate=0):
        layer, norm = model.get_layer(conv), model.get_layer(bn)
        kernel = np.array(layer.kernel)
        x = tf.nn.conv2d(x, spread(kernel, rate) if rate else kernel, 1, "SAME")
        gamma, beta, mean, variance = norm.get_weights()
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)

    branches = [conv_bn(x, "aspp.convs.0.0", "aspp.convs.0.1")]
    for i, rate in enumerate(rates, start=1):
        name = f"aspp.convs.{i}"
        branches.append(conv_bn(x, f"{name}.0", f"{name}.1", rate))
    name = f"aspp.convs.{len(rates) + 1}"
    mean = conv_bn(x.mean(axis=(1, 2), keepdims=True), f"{name}.1", f"{name}.2")
    branches.append(np.broadcast_to(mean, (*x.shape[:3], mean.shape[-1])))
    y = np.concatenate(branches, axis=-1)
    y = conv_bn(y, "aspp.project.0", "aspp.project.1")
    kernel, bias = model.get_layer("aspp.logits").get_weights()
    return y @ kernel[0, 0] + bias


@pytest.mark.parametrize("rates", [(1, 2, 3), (2,), (12, 24, 36)])
def test_logits_follow_the_definition(rates, maps):
    model = head(rates=rates)
    expected = by_definition(model, maps, rates)
    found = model(maps, training=False)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (6, 3)])
def test_one_head_takes_maps_of_any_size(size):
    model = head(rates=(12, 24, 36))
    assert model.output_shape == (None, None, None, 3)
    assert model(tf.ones((2, *size, 2)), training=False).shape == (2, *size, 3)


def test_known_sizes_are_known_of_the_logits():
    assert head((8, 6)).output_shape == (None, 8, 6, 3)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("rates", [(1, 2, 3), (12, 24, 36)])
def test_every_weight_learns(rates, jit_compile, maps):
    model = head((2, 3), rates)

    @tf.function(jit_compile=jit_compile)
    def gradients(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(x, training=True) ** 2)
        return tape.gradient(total, model.trainable_variables)

    changes = [np.array(change) for change in gradients(maps[:, :2, :3])]
    assert len(changes) == 3 * 6 + 2  # kernel, scale and shift; kernel and bias
    assert all(np.isfinite(change).all() and change.any() for change in changes)


def test_half_precision_takes_the_mean_of_large_maps_and_gives_float32_logits():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = head()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    # Neither the number of cells nor their sum is one that half precision can hold.
    x = tf.fill((1, 300, 300, 2), 2.0)
    logits, expected = half(x, training=False), head()(x, training=False)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, expected, atol=0.02 * np.abs(expected).max())


def test_the_folded_head_answers_as_the_model(maps):
    model = head(rates=(2, 4, 6))
    expected = model(maps, training=False)
    np.testing.assert_allclose(
        fold(model)(maps), expected, atol=1e-5 * np.ptp(expected)
    )


def test_a_saved_head_answers_as_before(maps, tmp_path):
    model = head()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(maps), model(maps))


def test_the_head_stands_on_the_concatenated_representation():
    image = keras.Input((None, None, 3))
    tiny = body(TINY["width"], TINY["modules"], TINY["blocks"], TINY["stem"])
    x = concatenate(hrnet(image, tiny, CONVENTIONS), CONVENTIONS)
    model = keras.Model(image, aspp_head(x, 5, CONVENTIONS, features=8))
    assert model(tf.ones((1, 64, 36, 3)), training=False).shape == (1, 16, 9, 5)
