"""A tiny detector that finds something, whatever it is."""

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
from support.networks import shallow_networks
from support.served import TINY

CLASSES = ("person", "ball", "box")
SIZE = (96, 64)
# What a new head answers is as good as zero; by how much weights are made larger.
LOUDER = {"rpn_cls": 5, "rpn_reg": 5, "fc_cls": 12, "fc_reg": 60}
# Narrow heads that look at few of the thousand boxes: most of the time goes into them.
NARROW = {"features": 32, "hidden": 32, "proposals": {"most": 100}}


def tiny_detector(**arguments):
    """A network whose heads differ from place to place, with random weights."""
    keras.utils.set_random_seed(0)
    with shallow_networks():
        model = hrnet_tf.HRNetDetector(classes=len(CLASSES), **TINY, **arguments)
    make_louder(model)
    return model


def make_louder(model):
    """Give a new detector's heads weights with which they find something."""
    image = np.random.default_rng(0).normal(size=(1, *SIZE, 3)).astype(np.float32)
    levels = model.parts.pyramid(image)
    scale = float(tf.math.reduce_std(levels["P2"]))
    for layer in model.layers:
        leaf = layer.name.rsplit(".", 1)[-1]
        factor = LOUDER.get(leaf, 1)
        if layer.name.startswith("neck.reduction_conv"):
            factor = 1 / scale
        if factor != 1:
            layer.set_weights([weight * factor for weight in layer.get_weights()])


def padded_images(rng, count=1):
    """Normalised images with padding, and their sizes."""
    images = rng.normal(size=(count, *SIZE, 3)).astype(np.float32)
    sizes = np.array([[90 - 3 * i, 60 - i] for i in range(count)], np.int32)
    for image, (height, width) in zip(images, sizes, strict=True):
        image[height:], image[:, width:] = 0, 0
    return images, sizes
