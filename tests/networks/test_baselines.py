"""The networks that HRNet's papers compare with: their numbers, and every step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.networks.heads.pyramid_pooling import AdaptiveMean
from hrnet_tf.networks.layers import blank_weights
from hrnet_tf.networks.resnet import resnet_body
from support.resnets import (
    Reference,
    adaptive_mean,
    channels_last,
    psp_net,
    simple_baseline,
)

GIB = 2**30  # the unit of the papers' multiply-adds
MODULES = (2, 1, 2, 3)
TINY = {"width": 2, "features": 3, "modules": MODULES}


@pytest.mark.parametrize(
    ("depth", "parameters", "cost"),
    [
        (50, 33_999_697, 5.054),
        pytest.param(101, 52_991_825, 8.440, marks=pytest.mark.slow),
        pytest.param(152, 68_635_473, 11.827, marks=pytest.mark.slow),
    ],
)
def test_simple_baselines_have_the_numbers_of_the_official_program(
    depth, parameters, cost
):
    with blank_weights():
        model = hrnet_tf.SimpleBaseline(depth)
    assert model.name == f"simple_baseline_r{depth}"
    found = hrnet_tf.count(model)
    assert found.parameters == parameters
    assert found.multiply_adds / GIB == pytest.approx(cost, abs=5e-4)


# PSPNet's published ones are 65.9 and 2017.6: 0.3 % and 3.4 % more than what its
# authors' program has at this size; with the same stem a dilated ResNet-101 and a 3x3
# convolution to 512 channels have the 52.1 and 1661.6 that are published of these.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "millions", "cost"),
    [(hrnet_tf.DeepLabV3, 58.0, 1778.7), (hrnet_tf.PSPNet, 65.7, 1949.7)],
)
def test_dilated_networks_have_the_published_numbers(network, millions, cost):
    with blank_weights():
        model = network(input_shape=(1024, 2048, 3))
    found = hrnet_tf.count(model)
    assert found.parameters / 1e6 == pytest.approx(millions, abs=0.05)
    assert found.multiply_adds / GIB == pytest.approx(cost, abs=0.05)
    assert model.output_shape == (None, 128, 256, 19)


@pytest.fixture
def images(rng):
    return rng.standard_normal((2, 3, 64, 96))


def assert_same(model, reference, images, expected):
    hrnet_tf.load_official(model, reference.tensors)
    found = model(channels_last(images).astype(np.float32), training=False)
    expected = channels_last(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_a_simple_baseline_answers_as_it_is_defined(images):
    reference = Reference(2, MODULES)
    expected = simple_baseline(reference, images, 5, 3)
    model = hrnet_tf.SimpleBaseline(50, 5, input_shape=(64, 96, 3), **TINY)
    assert_same(model, reference, images, expected)


def test_a_psp_net_answers_as_it_is_defined(images):
    images = images[:, :, :61, :75]
    reference = Reference(2, MODULES)
    expected = psp_net(reference, images, 4, 3)
    assert_same(hrnet_tf.PSPNet(50, 4, **TINY), reference, images, expected)


def test_the_body_of_a_deeplab_v3_is_as_it_is_defined(images):
    reference = Reference(2, MODULES)
    rates = ((1,), (1,), (2,), (4, 8, 16))
    expected = reference.body(images, (1, 2, 1, 1), rates)
    model = hrnet_tf.DeepLabV3(50, 4, include_top=False, **TINY)
    assert_same(model, reference, images, expected)
    whole = hrnet_tf.DeepLabV3(50, 4, **TINY)
    names = {name for name, _ in official_names(whole)}
    heads = {n.split(".")[0] for n in names - {n for n, _ in official_names(model)}}
    assert heads == {"aspp"}


@pytest.mark.parametrize("size", [(6, 12), (7, 5), (1, 3)])
@pytest.mark.parametrize("known", [True, False])
def test_means_of_parts_are_those_of_pytorch(size, known, rng):
    x = rng.standard_normal((2, 3, *size))
    maps = keras.Input((*size, 3) if known else (None, None, 3))
    model = keras.Model(maps, AdaptiveMean(3)(maps))
    expected = channels_last(adaptive_mean(x, 3))
    given = channels_last(x).astype(np.float32)
    np.testing.assert_allclose(model(given), expected, atol=1e-6)
    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    graph = constant_graph(fold(model), spec)
    np.testing.assert_allclose(graph(tf.constant(given)), expected, atol=1e-6)


def test_features_by_level_are_those_of_the_layers():
    levels = hrnet_tf.SimpleBaseline(
        50, pyramid_outputs=True, input_shape=(64, 96, 3), **TINY
    ).output
    assert {level: tuple(x.shape[1:]) for level, x in levels.items()} == {
        f"P{n}": (64 // 2**n, 96 // 2**n, 2 * 2**n) for n in range(2, 6)
    }


@pytest.mark.parametrize("network", [hrnet_tf.PSPNet, hrnet_tf.DeepLabV3])
def test_labelling_learns_at_the_size_of_the_image(network, rng, eagerly):
    model = network(50, 3, full_size=True, **TINY)
    images = rng.standard_normal((2, 40, 56, 3)).astype(np.float32)
    labels = rng.integers(0, 3, (2, 40, 56))
    assert model(images).shape == (2, 40, 56, 3)
    found = model.evaluate(images, labels, verbose=0, return_dict=True)
    assert found.keys() == {"loss", "mean_iou", "pixel_accuracy"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"depth": 18}, "one of 50, 101, 152, ResNet's, got 18"),
        ({"modules": (1, 1, 1)}, r"four positive numbers .* got \(1, 1, 1\)"),
        ({"blocks": 1}, "no `blocks` to choose"),
        ({"stem": ((8, 2), (8, 2))}, "no `stem` to choose"),
        ({"width": 0}, "`width` be positive, got .* and 0"),
        ({"upsampling": "bilinear"}, "learns how to enlarge"),
        ({"features": 0}, "`features` must be positive"),
        ({"input_shape": (250, 192, 3)}, "must be multiples of 32"),
        ({"weights": "coco"}, "known are imagenet, coco_256x192_official"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        hrnet_tf.SimpleBaseline(**arguments)


def test_nearest_upsampling_is_refused_where_maps_are_resized():
    for network in (hrnet_tf.PSPNet, hrnet_tf.DeepLabV3):
        with pytest.raises(ValueError, match='must be "bilinear" or'):
            network(upsampling="nearest")


def test_bodies_are_described_by_depth():
    assert resnet_body(152).modules == (3, 8, 36, 3)
