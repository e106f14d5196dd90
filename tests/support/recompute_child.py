"""Learn on two devices with activations that are kept and computed twice: `FILE HOW`.

Steps are traced or, which begins sooner, open.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from support.recomputed import learn


def main(path, how):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found = {}
    for again in (False, True):
        with strategy.scope():
            model = learn(
                again, eagerly=how == "open", synchronized=True, dropout=False, blocks=2
            )
        found[str(again)] = np.concatenate([x.ravel() for x in model.get_weights()])
    np.savez(path, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
