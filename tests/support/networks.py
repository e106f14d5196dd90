"""Tiny networks, as if they were trained."""

import keras
import numpy as np


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
