"""A small network of several segments that learns, with and without recomputation."""

import keras
import numpy as np
from keras import layers

from hrnet_tf.common.compat import begin_dropout, seeded_dropout
from hrnet_tf.networks.layers import Conventions, basic_block
from hrnet_tf.networks.optimizers import CoupledSGD
from hrnet_tf.networks.recomputation import recompute

SIZE, BATCH, STEPS = 16, 4, 3
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((STEPS * BATCH, SIZE, SIZE, 3)).astype(np.float32)
TARGETS = RNG.standard_normal((STEPS * BATCH, SIZE, SIZE, 2)).astype(np.float32)


def network(synchronized=False, dropout=True, blocks=4):
    """Residual blocks, then maybe dropout, then an answer for each pixel."""
    seeded_dropout()
    keras.utils.set_random_seed(0)
    conventions = Conventions(synchronized=synchronized, initializer="kaiming")
    image = keras.Input((SIZE, SIZE, 3))
    x = conventions.conv_bn(image, 8, names=("conv", "bn"))
    for number in range(blocks):
        x = basic_block(x, 8, conventions, name=str(number))
    if dropout:
        x = layers.SpatialDropout2D(0.5, name="dropout")(x)
    x = conventions.conv_bn(x, 8, names=("last_conv", "last_bn"))
    return keras.Model(image, conventions.output_conv(x, 2, name="answer"))


def learn(again, optimizer=None, eagerly=False, **arguments):
    """The network after some steps; `again`: by activations computed twice."""
    model = network(**arguments)
    if again:
        recompute(model)
    model.compile(
        optimizer or CoupledSGD(0.05, momentum=0.9), "mse", run_eagerly=eagerly
    )
    if arguments.get("dropout", True):
        begin_dropout(model, (3,))
    model.fit(IMAGES, TARGETS, batch_size=BATCH, shuffle=False, verbose=0)
    return model
