"""What is drawn by chance in a training does not depend on where it began."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.compat import seeded_dropout
from hrnet_tf.training.callbacks import Chance


@pytest.fixture
def model():
    seeded_dropout()
    inputs = keras.Input((64,))
    x = keras.layers.Dropout(0.5)(keras.layers.Dropout(0.5)(inputs))
    network = keras.Model(inputs, x)
    return keras.Model(inputs, network(inputs))


def drawn(model, epoch, steps=2):
    """What compiled steps of an epoch keep."""
    step = tf.function(lambda x: model(x, training=True), autograph=False)
    chance = Chance(3)
    chance.set_model(model)
    chance.on_epoch_begin(epoch)
    return [step(tf.ones((1, 64))).numpy() for _ in range(steps)]


def test_an_epoch_drops_the_same_after_an_interruption(model, tmp_path):
    first, second = drawn(model, 0)
    assert not np.array_equal(first, second)
    later = drawn(model, 1)
    assert not np.array_equal(later[0], first)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(drawn(loaded, 1), later)
    np.testing.assert_array_equal(drawn(loaded, 0), [first, second])
