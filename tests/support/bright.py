"""A detector of what is bright: it is cheap, and its answers are known in advance."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from hrnet_tf.images.preprocess import MEAN, STD
from hrnet_tf.networks.fold import fold
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.manifest import (
    DetectionManifest,
    ObjectInput,
    ObjectOutput,
)

CLASSES = ("ball", "person")
MOST = 100  # rows, as every detector gives
SURE = {"right": 0.8, "left": 0.6}  # of the person in each half of an image


class BrightParts(layers.Layer):
    """One person around all that is bright in either half, and what is to be left out.

    That is a ball that is surest of all, a person without area, and one who is unsure.
    """

    def call(self, inputs):
        image, colors = inputs
        real = tf.reduce_any(image != 0, axis=-1)  # padding is exactly zero
        bright = real & (tf.reduce_max(colors, axis=-1) > 0.4)
        columns = tf.range(tf.shape(image)[2])
        width = tf.reduce_sum(tf.cast(tf.reduce_any(real, axis=1), tf.int32), axis=1)
        right = columns[None] >= width[:, None] // 2
        people = [around(bright & half[:, None]) for half in (right, ~right)]
        corner = tf.ones_like(people[0]) * [0.0, 0.0, 9.0, 7.0]
        empty = corner * [0.0, 0.0, 1.0, 0.0]
        boxes = tf.stack([*people, corner, empty, corner], axis=1)
        there = tf.reduce_all(boxes[:, :2, 2:] > boxes[:, :2, :2], axis=-1)
        there = tf.pad(there, [[0, 0], [0, 3]], constant_values=True)
        scores = tf.where(there, [SURE["right"], SURE["left"], 0.9, 0.7, 0.2], 0.0)
        labels = tf.where(there, [1, 1, 0, 1, 1], -1)
        scores, order = tf.math.top_k(scores, scores.shape[1])
        padding = [[0, 0], [0, MOST - scores.shape[1]]]
        boxes = tf.gather(tf.where(there[..., None], boxes, 0), order, batch_dims=1)
        labels = tf.gather(labels, order, batch_dims=1)
        return {
            "boxes": tf.pad(boxes, [*padding, [0, 0]]),
            "scores": tf.pad(scores, padding),
            "labels": tf.pad(labels, padding, constant_values=-1),
            "counts": tf.reduce_sum(tf.cast(there, tf.int32), axis=1),
        }


def around(mask):
    """Boxes, x1, y1, x2, y2, around what is true; of nothing without area."""
    ends = []
    for axis in (1, 2):
        told = tf.cast(tf.reduce_any(mask, axis=axis), tf.int32)
        first = tf.argmax(told, axis=1, output_type=tf.int32)
        behind = tf.argmax(told[:, ::-1], axis=1, output_type=tf.int32)
        last = tf.shape(told)[1] - behind
        nothing = tf.reduce_max(told, axis=1) == 0
        ends.append((tf.where(nothing, 0, first), tf.where(nothing, 0, last)))
    (left, right), (top, low) = ends
    return tf.cast(tf.stack([left, top, right, low], axis=1), tf.float32)


class BrightDetector(keras.Model):
    """A detector whose graph is its own affair, as that of all detectors is."""

    def __call__(self, inputs, *args, **kwargs):
        """Keras's, for images with their sizes too."""
        return super().__call__(image_of(inputs), *args, **kwargs)

    def folded(self, constant, more_rules, runtime):
        """See `hrnet_tf.networks.fold.fold`."""
        colors = self.get_layer("colors").output
        network = fold(keras.Model(self.input, colors), constant, more_rules)
        parts = self.get_layer("parts")

        def find(given):
            image = image_of(given)
            return parts([image, network(image)])

        return find


def image_of(given):
    """Images, of what a detector takes."""
    return given["image"] if isinstance(given, Mapping) else given


def bright_detector():
    """Normalised images of any size, padded with zeros, to what a detector gives."""
    image = keras.Input((None, None, 3), name="image")
    # A convolution, so that it has weights as every network.
    colors = layers.Conv2D(3, 1, name="colors")
    parts = BrightParts(name="parts")([image, colors(image)])
    model = BrightDetector(image, parts)
    colors.set_weights([np.diag(STD)[None, None] / 255, np.array(MEAN) / 255])
    return model


def bright_manifest(name="person", **given):
    """Its facts, for objects of this name."""
    classes = ObjectClasses("bright", (CLASSES[0], name))
    seen = ObjectInput(64, 96, **given)
    return DetectionManifest("bright", seen, ObjectOutput(), classes, (96, 64))
