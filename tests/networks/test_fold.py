import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import hrnet_tf
from hrnet_tf.networks.fold import constant_graph, fold
from support.networks import with_statistics
from support.served import TINY


@pytest.fixture
def image(rng):
    return rng.standard_normal((2, 64, 64, 3)).astype(np.float32)


def assert_equal_answers(answers, expected):
    tf.nest.assert_same_structure(answers, expected)
    pairs = zip(tf.nest.flatten(answers), tf.nest.flatten(expected), strict=True)
    for answer, right in pairs:
        np.testing.assert_allclose(answer, right, atol=1e-5 * np.ptp(right))


@pytest.mark.parametrize(
    "make", [hrnet_tf.HRNetV1, hrnet_tf.HRNetV2, hrnet_tf.HRNetV2p]
)
@pytest.mark.parametrize("size", [(64, 64, 3), (None, None, 3)])
def test_a_folded_network_answers_as_the_model(make, size, image):
    model = with_statistics(make(input_shape=size, **TINY))
    assert_equal_answers(fold(model)(image), model(image, training=False))


def test_resizing_with_corners_aligned_is_folded_too(image):
    rule = "bilinear_align_corners"
    model = with_statistics(hrnet_tf.HRNetV2(upsampling=rule, **TINY))
    assert_equal_answers(fold(model)(image), model(image, training=False))


def test_layers_without_a_rule_are_called_as_they_are(image):
    model = with_statistics(
        hrnet_tf.HRNetV1(
            input_shape=(64, 64, 3),
            normalization=lambda name: layers.GroupNormalization(2, name=name),
            activation=layers.PReLU,
            **TINY,
        )
    )
    assert_equal_answers(fold(model)(image), model(image, training=False))


def small_network(*body):
    """Layers on an image of 8x6, one after the other, with random weights."""
    image = keras.Input((8, 6, 3))
    x = image
    for layer in body:
        x = layer(x)
    return with_random_weights(keras.Model(image, x))


def with_random_weights(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    return model


def enlarging(kernel, stride, padding="same", **arguments):
    return layers.Conv2DTranspose(4, kernel, stride, padding=padding, **arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [layers.Conv2D(4, 3, 2), layers.BatchNormalization()],
        lambda: [layers.Conv2D(4, 3), layers.BatchNormalization(scale=False)],
        lambda: [layers.Conv2D(4, 3), layers.BatchNormalization(center=False)],
        lambda: [layers.Conv2D(4, 3, dilation_rate=2, activation="sigmoid")],
        lambda: [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization()],
        lambda: [layers.BatchNormalization(), layers.Conv2D(4, 1)],
        lambda: [layers.Conv2D(4, 1), layers.ReLU(max_value=0.5)],
        lambda: [layers.Conv2D(4, 1), layers.ReLU(negative_slope=0.1)],
        lambda: [layers.ZeroPadding2D(((1, 0), (2, 3))), layers.Activation("tanh")],
        lambda: [layers.DepthwiseConv2D(3), layers.BatchNormalization()],
        lambda: [enlarging(4, 2), layers.BatchNormalization()],
        lambda: [enlarging(3, 2, use_bias=False), layers.BatchNormalization()],
        lambda: [enlarging(3, 1, activation="sigmoid"), layers.BatchNormalization()],
        lambda: [enlarging(3, 2, padding="valid"), layers.BatchNormalization()],
        lambda: [enlarging(3, 2, output_padding=1), layers.BatchNormalization()],
    ],
)
def test_variants_of_layers_answer_as_before(make, rng):
    model = small_network(*make())
    x = rng.standard_normal((2, 8, 6, 3)).astype(np.float32)
    assert_equal_answers(fold(model)(x), model(x, training=False))


@pytest.mark.parametrize("size", [(64, 32), (None, None)])
def test_deconvolutions_take_in_their_norms(size, rng):
    model = hrnet_tf.SimpleBaseline(
        50, 3, width=2, features=3, modules=(1,) * 4, input_shape=(*size, 3)
    )
    with_statistics(model)
    x = rng.standard_normal((2, 64, 32, 3)).astype(np.float32)
    graph = constant_graph(fold(model), tf.TensorSpec((None, *size, 3), tf.float32))
    assert_equal_answers(graph(tf.constant(x)), model(x, training=False))
    kinds = [node.op for node in graph.graph.as_graph_def().node]
    assert kinds.count("Conv2DBackpropInput") == 3
    assert not any(kind.startswith("FusedBatchNorm") for kind in kinds)


def test_a_norm_stays_where_its_convolution_has_another_reader(rng):
    image = keras.Input((8, 6, 3))
    y = layers.Conv2D(3, 1)(image)
    model = keras.Model(image, layers.Add()([y, layers.BatchNormalization()(y)]))
    with_random_weights(model)
    x = rng.standard_normal((2, 8, 6, 3)).astype(np.float32)
    assert_equal_answers(fold(model)(x), model(x, training=False))


def test_mixed_precision_is_folded_to_float32(tiny_model, rng):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    half.set_weights(tiny_model.get_weights())
    x = rng.standard_normal((2, 64, 32, 3)).astype(np.float32)
    assert_equal_answers(fold(half)(x), tiny_model(x, training=False))


def test_a_graph_of_constants_holds_no_variable(tiny_model):
    signature = tf.TensorSpec((None, 64, 32, 3), tf.float32, "image")
    graph = constant_graph(fold(tiny_model), signature)
    kinds = {operation.type for operation in graph.graph.get_operations()}
    assert len(graph.variables) == 0
    assert "ReadVariableOp" not in kinds


def test_variables_of_layers_without_a_rule_become_constants_too(rng):
    model = small_network(layers.Conv2D(4, 3), layers.PReLU())
    signature = tf.TensorSpec((None, 8, 6, 3), tf.float32, "image")
    graph = constant_graph(fold(model), signature)
    x = rng.standard_normal((2, 8, 6, 3)).astype(np.float32)
    assert len(graph.variables) == 0
    assert_equal_answers(graph(tf.constant(x)), model(x, training=False))


def test_new_weights_do_not_reach_a_folded_network(image):
    model = with_statistics(hrnet_tf.HRNetV1(input_shape=(64, 64, 3), **TINY))
    expected = model(image, training=False)
    folded = fold(model)
    model.set_weights([value + 1 for value in model.get_weights()])
    assert_equal_answers(folded(image), expected)


def shared_layer():
    image, layer = keras.Input((8, 6, 3)), layers.Conv2D(3, 1)
    return keras.Model(image, layer(layer(image)))


def two_inputs():
    pair = [keras.Input((8, 6, 3)), keras.Input((8, 6, 3))]
    return keras.Model(pair, layers.Add()(pair))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = layers.Conv2D(3, 1)

    def call(self, image):
        return self.layer(image)


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 8, 6, 3), np.float32))
    return model


@pytest.mark.parametrize("make", [shared_layer, two_inputs, subclassed])
def test_a_model_that_cannot_be_folded_is_refused(make):
    with pytest.raises(ValueError, match=r"call.* every layer once"):
        fold(make())
