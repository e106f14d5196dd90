"""Parameters and multiply-adds: by hand, by size, and as the papers print them."""

from functools import partial

import keras
import pytest
import tensorflow as tf
from keras import layers

import hrnet_tf
from hrnet_tf.networks.counting import Counts
from hrnet_tf.networks.layers import blank_weights
from support.networks import shallow_networks

TINY = {"width": 4, "modules": (1, 1, 1), "blocks": 1, "stem": ((8, 2), (8, 2))}

SIDES = (10, 12)
# A layer on a map of 10 x 12 x 4: its parameters, and the multiply-adds by hand.
BY_HAND = {
    "convolution": (layers.Conv2D(6, 3, padding="same"), 222, 10 * 12 * 6 * 36),
    "strided": (layers.Conv2D(6, 3, 2, use_bias=False), 216, 4 * 5 * 6 * 36),
    "dilated": (
        layers.Conv2D(6, 3, padding="same", dilation_rate=3, use_bias=False),
        *(216, 10 * 12 * 6 * 36),
    ),
    "depthwise": (
        layers.DepthwiseConv2D(5, padding="same", use_bias=False),
        *(100, 10 * 12 * 4 * 25),
    ),
    "dense": (layers.Dense(7), 35, 10 * 12 * 7 * 4),
    "batch norm": (layers.BatchNormalization(), 8, 0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_layers_count_as_by_hand(name):
    layer, parameters, multiply_adds = BY_HAND[name]
    image = keras.Input((*SIDES, 4))
    model = keras.Model(image, layer(image))
    scales = parameters if name == "batch norm" else 0
    assert hrnet_tf.count(model) == Counts(parameters, multiply_adds, scales=scales)


def test_transposed_convolutions_count_in_two_ways():
    image = keras.Input((*SIDES, 4))
    layer = layers.Conv2DTranspose(6, 4, 2, padding="same", use_bias=False)
    found = hrnet_tf.count(keras.Model(image, layer(image)))
    own = 10 * 12 * 4 * 6 * 16
    assert found == Counts(384, own, own, 4 * own)
    assert found.multiply_adds_by_outputs == 4 * own


def test_a_layer_counts_as_often_as_it_is_called():
    image = keras.Input((*SIDES, 4))
    layer = layers.Conv2D(4, 1, use_bias=False)
    model = keras.Model(image, layer(layer(image)))
    assert hrnet_tf.count(model) == Counts(16, 2 * 10 * 12 * 16)


def kernels(model):
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    return [layer.get_weights()[0] for layer in found]


def test_counts_grow_with_the_image_and_need_no_weights():
    with shallow_networks():
        whole = hrnet_tf.HRNetV1(input_shape=(None, None, 3), **TINY)
    once = hrnet_tf.count(whole, (64, 96))
    assert hrnet_tf.count(whole, (128, 192)).multiply_adds == 4 * once.multiply_adds
    with shallow_networks(), blank_weights():
        blank = hrnet_tf.HRNetV1(input_shape=(64, 96, 3), **TINY)
    assert hrnet_tf.count(blank) == once
    assert all(kernel.any() for kernel in kernels(whole))
    assert not any(kernel.any() for kernel in kernels(blank))
    hrnet_tf.freeze_body(whole)
    assert hrnet_tf.count(whole, (64, 96)) == once


def test_detectors_count_the_boxes_that_they_look_at():
    features, hidden, classes, most = 4, 8, 3, 50
    with shallow_networks():
        model = hrnet_tf.HRNetDetector(
            classes=classes,
            features=features,
            hidden=hidden,
            proposals={"most": most},
            **TINY,
        )
    levels = 24 * 16 + 12 * 8 + 6 * 4 + 3 * 2 + 1
    a_cell = 9 * features**2 + features * 3 * (1 + 4)
    a_box = 7 * 7 * features * hidden + hidden * hidden + hidden * (5 * classes + 1)
    pyramid = hrnet_tf.count(model.parts.pyramid, (96, 64)).multiply_adds
    found = hrnet_tf.count(model, (96, 64)).multiply_adds
    assert found == pyramid + levels * a_cell + most * a_box


@pytest.mark.parametrize(
    ("constructor", "size", "parameters", "printed"),
    [
        (hrnet_tf.HRNetClassifier, (224, 224), 13_187_464, "1.492"),
        (partial(hrnet_tf.HRNetV2, classes=19), (1024, 2048), 1_540_819, "31.10"),
    ],
    ids=["classification", "segmentation"],
)
def test_small_networks_are_as_large_as_published(
    constructor, size, parameters, printed
):
    with blank_weights():
        found = hrnet_tf.count(constructor("18_small_v1"), size)
    assert found.parameters == parameters
    assert f"{found.multiply_adds / 2**30:.4g}" == f"{float(printed):.4g}"


def test_sizes_that_do_not_fit_are_refused():
    model = keras.Sequential([keras.Input((None, 32, 3)), layers.Conv2D(1, 1)])
    with pytest.raises(ValueError, match="give `size`, height and width"):
        hrnet_tf.count(model)
    with pytest.raises(ValueError, match="images of Nonex32, `size` is 32x64"):
        hrnet_tf.count(model, (32, 64))
    assert hrnet_tf.count(model, (32, 32)) == Counts(4, 32 * 32 * 3)


def test_what_is_compiled_by_itself_is_refused():
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, Compiled()(image))
    with pytest.raises(ValueError, match="compiled by itself"):
        hrnet_tf.count(model)


class Compiled(layers.Layer):
    """A layer with a function of its own."""

    def call(self, inputs):
        return tf.function(lambda x: 2 * x)(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape
