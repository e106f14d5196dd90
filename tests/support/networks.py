"""Tiny networks, as if they were trained."""

import contextlib

import keras
import numpy as np
import pytest

from hrnet_tf.networks import backbone


def with_statistics(model):
    """Give batch norms statistics that are not those of a new network."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            values = [rng.uniform(0.5, 1.5, count) for _ in range(4)]
            values[1] -= 1.0
            values[2] -= 1.0
            layer.set_weights(values)
        elif isinstance(layer, keras.layers.Conv2D):
            layer.set_weights(
                [
                    rng.normal(0, 1 / np.sqrt(max(1, np.prod(w.shape[:-1]))), w.shape)
                    for w in layer.get_weights()
                ]
            )
    return model


def rescaled(model, factor):
    """A copy whose heatmaps are larger."""
    copy = keras.models.clone_model(model)
    *values, kernel, bias = model.get_weights()
    copy.set_weights([*values, kernel * factor, bias])
    return copy


@contextlib.contextmanager
def shallow_networks():
    """Networks that are built in here have a stem, all branches and a head, no blocks.

    A fifth of the layers, so many times quicker to build, train, save and export: for
    what holds of any network, such as what becomes of a run's files.
    """
    parts = {
        "first_stage": lambda x, spec, conventions: x,
        "branches": lambda maps, spec, conventions, *, name: maps,
        "exchange": lambda maps, outputs, conventions, *, name: maps[:outputs],
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, part in parts.items():
            patched.setattr(backbone, name, part)
        yield
