"""Train a tiny detector on some devices: `FILE COUNT`; run by a test of detectors."""

import sys
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
import hrnet_tf.tasks.detection.learning as learning_module
from support.networks import shallow_networks
from support.official_detectors import some_objects
from support.served import TINY


def main(path, count):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    learning_module._chance = lambda *_: None  # each device would have its own
    strategy = tf.distribute.get_strategy()
    if count > 1:
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        keras.utils.set_random_seed(0)
        with shallow_networks():
            model = hrnet_tf.HRNetDetector(classes=3, masks=True, **TINY)
        few = {"before": 200, "proposals": 100, "anchors": 32, "regions": 32}
        model.learning = replace(model.learning, **few)
        model.compile(keras.optimizers.SGD(0.01))
    model.run_eagerly = True
    given, targets = some_objects()
    # Keras adds up what devices get, before it builds a model; bools have no sum.
    targets["crowds"] = targets["crowds"].astype(np.int32)
    history = model.fit(
        given, targets, batch_size=2, epochs=2, shuffle=False, verbose=0
    ).history
    found = {name: np.array(values) for name, values in history.items()}
    for layer in model.layers:
        for number, values in enumerate(layer.get_weights()):
            found[f"{layer.name} {number}"] = values
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
