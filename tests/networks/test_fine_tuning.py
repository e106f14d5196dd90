import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.networks.fine_tuning import freeze_body, freeze_layers, unfreeze
from hrnet_tf.networks.transfer import BODY
from hrnet_tf.tasks.base.experiment import behind_normalisation
from support.served import TINY

LABELS = np.array([0, 1, 2, 1])
SIZE = (32, 64)


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    return hrnet_tf.HRNetClassifier(classes=3, input_shape=(*SIZE, 3), **TINY)


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, (4, *SIZE, 3)).astype(np.uint8)


def learn(model, pictures):
    """Two steps, compiled anew as after every change of what learns."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss=loss, run_eagerly=True)
    model.fit(pictures, LABELS, batch_size=2, verbose=0)


def changed(network, train):
    """Which variables of the body, and of the head, `train` changes."""
    layers = [layer for layer in network.layers if layer.weights]
    before = [layer.get_weights() for layer in layers]
    train()
    body, head = [], []
    for layer, old in zip(layers, before, strict=True):
        part = body if BODY.match(f"{layer.name}.") else head
        for one, other in zip(old, layer.get_weights(), strict=True):
            part.append(not np.array_equal(one, other))
    assert body, "the network has no body"
    assert head, "the network has no head"
    return body, head


@pytest.mark.parametrize("nested", [False, True])
def test_a_frozen_body_keeps_its_weights_and_statistics(nested, network, pictures):
    model = behind_normalisation(network, SIZE) if nested else network
    freeze_body(network)
    body, head = changed(network, lambda: learn(model, pictures))
    assert not any(body)
    assert all(head)
    unfreeze(network)
    body, head = changed(network, lambda: learn(model, pictures))
    assert all(body)
    assert all(head)


def test_chosen_layers_keep_their_weights(network, pictures):
    freeze_layers(network, ["conv", "bn", "layer1"])
    layers = [layer for layer in network.layers if layer.weights]
    before = {layer.name: layer.get_weights() for layer in layers}
    learn(network, pictures)
    moved = {
        layer.name.split(".")[0]
        for layer in layers
        for one, other in zip(before[layer.name], layer.get_weights(), strict=True)
        if not np.array_equal(one, other)
    }
    assert not moved & {"conv1", "conv2", "bn1", "bn2", "layer1"}
    assert {"stage2", "stage4", "classifier"} <= moved


def test_layers_that_are_not_there_cannot_be_frozen(network):
    with pytest.raises(hrnet_tf.InputError, match=r"begins with 'stage5'.*stage4"):
        freeze_layers(network, ["stage5"])


def test_a_frozen_body_computes_the_same_in_training(network, pictures):
    body = keras.Model(
        network.input, network.get_layer("stage4.0.branches.0.0.relu").output
    )
    freeze_body(network)
    images = hrnet_tf.preprocess_input(pictures)
    expected = body(images, training=False)
    np.testing.assert_array_equal(body(images, training=True), expected)
    unfreeze(network)
    assert np.abs(body(images, training=True) - expected).max() > 1e-3
