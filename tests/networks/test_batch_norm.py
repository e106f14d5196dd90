"""Batch norm in one operation: Keras's answers, PyTorch's running variance."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import hrnet_tf
from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.networks.batch_norm import BatchNorm, BatchNormalization
from hrnet_tf.networks.fold import fold

MOMENTUM = 0.9

needs_keras_3 = pytest.mark.skipif(not KERAS_3, reason="Keras 2's own is fused")


@pytest.fixture
def images():
    values = np.random.default_rng(0).normal(3, 2, (2, 4, 3, 5))
    return tf.constant(values.astype(np.float32))


def built(kind, like, **arguments):
    layer = kind(momentum=MOMENTUM, epsilon=1e-5, **arguments)
    layer.build(like.shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()])
    return layer


@needs_keras_3
@pytest.mark.parametrize("training", [True, False])
def test_answers_are_those_of_keras(images, training):
    ours, theirs = (
        built(kind, images) for kind in (BatchNormalization, layers.BatchNormalization)
    )
    np.testing.assert_allclose(
        ours(images, training=training),
        theirs(images, training=training),
        atol=1e-5,
    )


@needs_keras_3
def test_gradients_are_those_of_keras(images):
    found = []
    for kind in (BatchNormalization, layers.BatchNormalization):
        layer = built(kind, images)
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(tf.sin(layer(images, training=True)))
        found.append(tape.gradient(loss, [images, *layer.trainable_variables]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@needs_keras_3
def test_the_running_variance_is_that_of_a_sample(images):
    layer = built(BatchNormalization, images)
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    layer(images, training=True)
    flat = images.numpy().reshape(-1, 5)
    expected = MOMENTUM * mean + (1 - MOMENTUM) * flat.mean(axis=0)
    np.testing.assert_allclose(layer.moving_mean, expected, rtol=1e-5)
    expected = MOMENTUM * variance + (1 - MOMENTUM) * flat.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-5)


@needs_keras_3
@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("how", [{}, {"jit_compile": True}])
def test_graphs_go_on_with_the_running_statistics(images, momentum, how):
    layer = built(BatchNormalization, images)
    layer.momentum = momentum
    before = [value.numpy() for value in (layer.moving_mean, layer.moving_variance)]
    step = tf.function(lambda x: tf.nn.relu(layer(x, training=True)), **how)
    output = step(images)
    flat = images.numpy().reshape(-1, 5)
    batch = flat.mean(axis=0), flat.var(axis=0, ddof=1)
    for variable, old, new in zip(
        (layer.moving_mean, layer.moving_variance), before, batch, strict=True
    ):
        expected = momentum * old + (1 - momentum) * new
        np.testing.assert_allclose(variable, expected, rtol=1e-5)
    eager = built(layers.BatchNormalization, images)(images, training=True)
    np.testing.assert_allclose(output, tf.nn.relu(eager), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_a_synchronized_one_learns_what_another_does(images, dtype):
    found = []
    for kind, more in ((BatchNorm, {}), (BatchNormalization, {"synchronized": True})):
        layer = built(kind, images, dtype=dtype, **more)
        with tf.GradientTape() as tape:
            tape.watch(images)
            output = layer(images, training=True)
            loss = tf.reduce_sum(tf.sin(tf.cast(output, tf.float32)))
        gradients = tape.gradient(loss, [images, *layer.trainable_variables])
        found.append([output, *gradients, *layer.get_weights()])
    near = 1e-4 if dtype == "float32" else 0.02
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=near)
    variance = images.numpy().reshape(-1, 5).var(axis=0, ddof=1)
    before = built(BatchNorm, images).moving_variance.numpy()
    expected = MOMENTUM * before + (1 - MOMENTUM) * variance
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-3)


@needs_keras_3
def test_a_frozen_one_learns_nothing(images):
    layer = built(BatchNormalization, images)
    layer.trainable = False
    before = layer.get_weights()
    running = layer(images, training=False)
    np.testing.assert_array_equal(layer(images, training=True), running)
    np.testing.assert_array_equal(layer.get_weights(), before)


@needs_keras_3
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_precisions_answer_nearly_the_same(images, dtype):
    exact = built(BatchNormalization, images)(images, training=True)
    answer = built(BatchNormalization, images, dtype=dtype)(images, training=True)
    assert answer.dtype.name == dtype.removeprefix("mixed_")
    np.testing.assert_allclose(tf.cast(answer, tf.float32), exact, atol=0.05)


def test_networks_are_made_of_it():
    model = hrnet_tf.HRNetV1(32, 2, blocks=1, modules=(1, 1, 1))
    norms = [x for x in model.layers if isinstance(x, layers.BatchNormalization)]
    assert {type(norm) for norm in norms} == {BatchNorm}


def test_a_convolution_takes_it_in(images):
    given = keras.Input(images.shape[1:])
    model = keras.Model(given, BatchNorm()(layers.Conv2D(4, 3)(given)))
    folded = tf.function(fold(model)).get_concrete_function(images)
    kinds = {op.type for op in folded.graph.get_operations()}
    assert "Mul" not in kinds
    np.testing.assert_allclose(folded(images), model(images), atol=1e-5)


def test_weight_files_of_keras_s_own_layer_fit(tmp_path):
    def network(**arguments):
        return hrnet_tf.HRNetV1(
            4, modules=(1, 1, 1), blocks=1, input_shape=(32, 32, 3), **arguments
        )

    theirs, ours = network(normalization=layers.BatchNormalization), network()
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    for found, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)
