"""Accumulate on one device and on two, and write down what comes of it: `FILE`.

With a scaled loss one batch more is there, which is to be left out.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.compat import scale_losses
from hrnet_tf.networks.optimizers import CoupledSGD, WarmSteps
from hrnet_tf.optimizers import Accumulated

BATCHES, SIZE, STEPS = 3, 4, 2
RNG = np.random.default_rng(0)
# The last batch begins a step that has not enough.
IMAGES = RNG.normal(size=((STEPS * BATCHES + 1) * SIZE, 3)).astype(np.float32)
TARGETS = (IMAGES**2).sum(axis=1, keepdims=True)
AT = (BATCHES + 1) * SIZE
# Of a batch in the middle of a step: what the second of two devices gets is broken.
BROKEN = np.array([[0.0], [0.0], [np.inf], [np.inf]], np.float32).repeat(3, axis=1)


def learn(scaled, traced):
    """A model that has learnt."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "tanh")])
    optimizer = Accumulated(
        CoupledSGD(
            WarmSteps(0.1, [1], 0.5, 1),
            coupled_weight_decay=0.1,
            global_clipnorm=0.1,
            use_ema=True,
            ema_momentum=0.5,
        ),
        BATCHES,
    )
    images, targets = IMAGES, TARGETS
    if scaled:
        optimizer = scale_losses(optimizer)
        images = np.insert(images, [AT], BROKEN, axis=0)
        targets = np.insert(targets, [AT] * SIZE, 0.0, axis=0)
    model.compile(optimizer, loss="mse", run_eagerly=not traced)
    model.fit(images, targets, batch_size=SIZE, shuffle=False, verbose=0)
    return model


def main(path):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    alone = tf.distribute.get_strategy()
    together = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found = {}
    for devices, strategy in ((1, alone), (2, together)):
        for kind in ("plain", "scaled"):
            with strategy.scope():
                model = learn(kind == "scaled", devices > 1)
            begin = f"{devices} {kind}"
            for i, weights in enumerate(model.get_weights()):
                found[f"{begin} weights {i}"] = weights
            for i, variable in enumerate(model.optimizer.variables):
                found[f"{begin} state {i}"] = variable.numpy()
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
